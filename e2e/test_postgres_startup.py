"""How Milepost finds its PostgreSQL, and what it says when it does not."""

import pytest
from psycopg import conninfo

import cluster
import postgres
from server import free_port
from test_startup import FAILED, USAGE, assert_refused, milepost, serve


@pytest.fixture
def role(start_server, postgres_store):
    """The connection string of a role with a password of its own, to a database that is ready."""
    start_server(postgres_store).stop()
    return postgres.runtime_role(postgres_store)


def keywords(url, **changes):
    """The same connection string in its other form."""
    return conninfo.make_conninfo(**{**conninfo.conninfo_to_dict(url), **changes})


def assert_says_no_password(server, role):
    assert postgres.password_of(role) not in server.log_text()


# MARK: what a connection string may look like


@pytest.mark.parametrize(
    "form",
    [
        lambda url: url,
        lambda url: url.replace("postgresql://", "postgres://"),
        keywords,
        lambda url: url + "?application_name=a%20name&connect_timeout=3",
        lambda url: url.replace("127.0.0.1", f"127.0.0.1:{free_port()},127.0.0.1"),
        lambda url: keywords(url, host="127.0.0.1,127.0.0.1", port=f"{free_port()},{url.split(':')[-1].split('/')[0]}"),
    ],
    ids=["postgresql", "postgres", "keywords", "parameters", "two hosts", "two hosts by keyword"],
)
def test_connection_strings(start_server, role, form):
    server = start_server(form(role))
    assert_says_no_password(server, role)


def test_the_password_of_a_url_may_hold_anything(start_server, postgres_store):
    start_server(postgres_store).stop()
    role, password = postgres.runtime_role(postgres_store), "p@ss:w/o?r d%'\\é"
    name = conninfo.conninfo_to_dict(role)["user"]
    with postgres.psycopg.connect(postgres_store, autocommit=True) as connection:
        connection.execute(f'ALTER ROLE "{name}" PASSWORD ' + postgres.psycopg.sql.quote(password))
    for url in (postgres.changed(role, password=password), keywords(role, password=password)):
        server = start_server(url)
        assert password not in server.log_text()
        server.stop()


@pytest.mark.parametrize("how", ["option", "environment"])
@pytest.mark.parametrize("ending", ["", "\n"], ids=["plain", "with a line feed"])
def test_password_file(start_server, role, tmp_path, how, ending):
    path = tmp_path / "password"
    path.write_text(postgres.password_of(role) + ending)
    options = ("--store-password-file", path) if how == "option" else ()
    environment = {} if options else {"MILEPOST_STORE_PASSWORD_FILE": str(path)}
    server = start_server(postgres.without_password(role), *map(str, options), environment=environment)
    assert_says_no_password(server, role)
    command_line = open(f"/proc/{server.process.pid}/cmdline", "rb").read()
    assert postgres.password_of(role).encode() not in command_line


# MARK: what cannot be connected to


def assert_refused_without_password(ended, password, *words):
    assert_refused(ended, FAILED, *words)
    assert password not in ended.stderr


def test_wrong_password(role):
    wrong = "wrong-" + postgres.password_of(role)
    assert_refused_without_password(serve(postgres.changed(role, password=wrong)), wrong, "password")


def test_wrong_password_file(role, tmp_path):
    path = tmp_path / "password"
    path.write_text("wrong-secret")
    ended = serve(postgres.without_password(role), "--store-password-file", path)
    assert_refused_without_password(ended, "wrong-secret", "password")


def test_missing_password_file(role, tmp_path):
    ended = serve(postgres.without_password(role), "--store-password-file", tmp_path / "missing")
    assert_refused(ended, FAILED, str(tmp_path / "missing"))


def test_unknown_database(role):
    ended = serve(postgres.changed(role, database="no_such_database"))
    assert_refused_without_password(ended, postgres.password_of(role), "no_such_database")


def test_a_port_nobody_listens_on(role):
    port = free_port()
    ended = serve(postgres.changed(role, port=port))
    assert_refused_without_password(ended, postgres.password_of(role), str(port))


def test_a_host_that_never_answers(role):
    ended = serve(role.replace("127.0.0.1", "192.0.2.1"))
    assert_refused_without_password(ended, postgres.password_of(role), "192.0.2.1")


def test_a_host_without_an_address(role):
    ended = serve(role.replace("127.0.0.1", "no-such-host.invalid"))
    assert_refused_without_password(ended, postgres.password_of(role), "no-such-host.invalid")


def test_migrate_says_the_same(role):
    wrong = "wrong-" + postgres.password_of(role)
    ended = milepost("migrate", "--store", postgres.changed(role, password=wrong))
    assert_refused_without_password(ended, wrong, "password")


@pytest.mark.parametrize(
    ("store", "word"),
    [
        ("postgresql://127.0.0.1:port/database", '"port"'),
        ("postgresql://127.0.0.1/database?frobnicate=1", "frobnicate"),
        ("host=127.0.0.1 frobnicate=1", "frobnicate"),
    ],
)
def test_what_is_no_connection_string(store, word):
    ended = serve(store)
    assert_refused(ended, ended.returncode, word)
    assert ended.returncode in (FAILED, USAGE)


# MARK: settings that lose what was acknowledged


def warnings_about(server, word):
    """The warnings in the log that have that word."""
    return [record for record in server.log_records() if record["level"] == "warning" and word in str(record)]


@pytest.mark.parametrize("level", ["off", "local"])
def test_synchronous_commit_is_warned_about(start_server, postgres_store, level):
    postgres.execute(
        postgres_store, f'ALTER DATABASE "{postgres.database_of(postgres_store)}" SET synchronous_commit = {level}'
    )
    server = start_server(postgres_store)
    # Without a standby, what is flushed locally is all the durability there is.
    assert bool(warnings_about(server, "synchronous_commit")) == (level == "off")


def test_fsync_is_warned_about(start_server):
    with cluster.throwaway(fsync="off") as careless:
        server = start_server(postgres.new_database(careless.url()))
        assert warnings_about(server, "fsync")
        server.stop()


def test_the_usual_settings_are_not_warned_about(start_server, postgres_store):
    server = start_server(postgres_store)
    assert [record for record in server.log_records() if record["level"] in ("warning", "error", "critical")] == []
