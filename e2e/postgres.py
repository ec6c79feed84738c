"""Databases and roles in the PostgreSQL of the tests, and what other users of a server do to it."""

import contextlib
import os
import subprocess
import threading
import uuid
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

import cluster

VARIABLE = "MILEPOST_TEST_POSTGRES"
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


def server_url():
    """The superuser's connection string, as scripts/with-postgres gives it."""
    return os.environ[VARIABLE]


def changed(url, database=None, user=None, password=None, port=None):
    """The same connection string with another database, user, password or port."""
    parts = urlsplit(url)
    secret = parts.password if password is None else quote(password, safe="")
    login = f"{quote(user, safe='') if user else parts.username}:{secret}"
    path = f"/{quote(database, safe='')}" if database else parts.path
    return urlunsplit((parts.scheme, f"{login}@{parts.hostname}:{port or parts.port}", path, parts.query, ""))


def password_of(url):
    return urlsplit(url).password


def user_of(url):
    return urlsplit(url).username


def port_of(url):
    return urlsplit(url).port


def without_password(url):
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}"))


def database_of(url):
    return urlsplit(url).path.lstrip("/")


def unique(kind):
    return f"{kind}_{uuid.uuid4().hex[:12]}"


def new_database(url=None, options=""):
    """Makes an empty database and gives its connection string; it is sorted as a language sorts, not by bytes."""
    url = url or server_url()
    name = unique("milepost")
    execute(url, f'CREATE DATABASE "{name}" {options}')
    return changed(url, database=name)


def new_role(url, *privileges):
    """Makes a role that may log in, and do what `privileges` say: statements with {role} in them. Gives its URL."""
    name, password = unique("role"), f"secret-{uuid.uuid4().hex}"
    execute(url, f'CREATE ROLE "{name}" LOGIN PASSWORD \'{password}\'', *(text.format(role=name) for text in privileges))
    return changed(url, user=name, password=password)


def runtime_role(url):
    """A role that may read and change rows of the tables there are, and define nothing."""
    return new_role(
        url,
        'GRANT USAGE ON SCHEMA public TO "{role}"',
        'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "{role}"',
    )


def execute(url, *statements):
    """Runs statements, each for itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def query(url, statement, parameters=()):
    """The rows that a statement gives."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement, parameters).fetchall()


def value(url, statement, parameters=()):
    """The one value that a statement gives."""
    [(found,)] = query(url, statement, parameters)
    return found


def schema(url):
    """Everything that is defined in a database, as pg_dump writes it."""
    lines = cluster.run_program("pg_dump", "--schema-only", "--dbname", url).splitlines()
    # Newer ones frame their output with a random word.
    return [line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))]


def rows(url):
    """Every row of LangGraph's three tables, with the columns that LangGraph knows."""
    columns = {
        "checkpoints": "thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata",
        "checkpoint_blobs": "thread_id, checkpoint_ns, channel, version, type, blob",
        "checkpoint_writes": "thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path",
    }
    return {table: query(url, f"SELECT {names} FROM {table} ORDER BY {names}") for table, names in columns.items()}


def run_psql(url, script):
    """Pipes a script into psql, which stops at the first error, and gives how it ended."""
    return subprocess.run(
        [str(cluster.programs() / "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", url],
        input=script,
        capture_output=True,
        text=True,
        env=cluster.plain_environment(),
    )


def terminate_all(url):
    """Ends every connection to that database but the one that asks; gives how many there were."""
    statement = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    return value(changed(url, database="postgres"), statement, (database_of(url),))


@contextlib.contextmanager
def held(url, *statements):
    """A transaction of somebody else that has run these statements, and holds their locks until the block ends."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


@contextlib.contextmanager
def connections(url, number):
    """So many connections of somebody else, or as many as there is room for; gives how many there are."""
    with contextlib.ExitStack() as stack:
        opened = 0
        try:
            while opened < number:
                stack.enter_context(psycopg.connect(url, autocommit=True))
                opened += 1
        except psycopg.OperationalError:
            pass  # No room for more, which is what was wanted.
        yield opened


class Storm(threading.Thread):
    """Ends all connections to a database again and again, until told to stop."""

    def __init__(self, url, pause):
        super().__init__(name="storm", daemon=True)
        self.ended = 0
        self._url = url
        self._pause = pause
        self._stopping = threading.Event()

    def run(self):
        while not self._stopping.wait(self._pause):
            self.ended += terminate_all(self._url)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self.join()
