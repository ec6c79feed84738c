"""Bringing a PostgreSQL database up to date: at start, by command, by hand, by many at once, and never backwards."""

import pytest
from langgraph.checkpoint.postgres import PostgresSaver

import postgres
import wire
from server import Server, wait_until
from test_startup import FAILED, assert_refused, milepost, serve

SERVERS = 8
READY_LIMIT = 30


def migrate(url, *options):
    return milepost("migrate", "--store", url, *options)


def assert_migrated(url):
    """`milepost migrate` says what it did, and no password."""
    ended = migrate(url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip() and postgres.password_of(url) not in ended.stdout
    return ended.stdout


def printed(url):
    """What `milepost migrate --print-sql` prints."""
    ended = migrate(url, "--print-sql")
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def assert_works(server, thread_id):
    """All five calls, on a thread of their own."""
    key = {"thread_id": thread_id, "checkpoint_id": "c1"}
    write = {"task_id": "t", "idx": 0, "channel": "c", "type": "bytes", "blob": "YQ=="}
    blob = {"channel": "c", "version": "1", "type": "empty", "blob": None}
    calls = [
        ("put", {**key, "checkpoint": {"channel_versions": {"c": "1"}}, "blobs": [blob]}, 200),
        ("put-writes", {**key, "writes": [write]}, 204),
        ("get-tuple", {"thread_id": thread_id}, 200),
        ("list", {"thread_id": thread_id}, 200),
        ("delete-thread", {"thread_id": thread_id}, 204),
    ]
    for call, body, status in calls:
        answer = wire.post(server.port, f"/checkpoints/{call}", body)
        assert answer.status == status, (call, answer)
        if call == "get-tuple":
            assert len(answer.json()["blobs"]) == len(answer.json()["pending_writes"]) == 1


# MARK: by command, and by hand


def test_migrate_then_a_role_that_may_define_nothing(start_server, postgres_store, thread_id):
    assert_migrated(postgres_store)
    assert_works(start_server(postgres.runtime_role(postgres_store)), thread_id)


def test_the_printed_statements_make_the_database_ready(start_server, postgres_store, thread_id):
    """They are for whoever may define tables, and leave nothing for `milepost serve` to define."""
    before = postgres.schema(postgres_store)
    script = printed(postgres_store)
    assert postgres.schema(postgres_store) == before, "--print-sql changed the database"
    done = postgres.run_psql(postgres_store, script)
    assert done.returncode == 0, done.stderr
    assert_works(start_server(postgres.runtime_role(postgres_store)), thread_id)


def test_the_printed_statements_are_those_that_migrate_runs(postgres_store):
    by_hand = postgres.new_database()
    assert postgres.run_psql(by_hand, printed(by_hand)).returncode == 0
    assert_migrated(postgres_store)
    assert postgres.schema(by_hand) == postgres.schema(postgres_store)
    for column, table in (("v", "checkpoint_migrations"), ("version", "milepost_migrations")):
        found = [sorted(postgres.query(url, f"SELECT {column} FROM {table}")) for url in (by_hand, postgres_store)]
        assert found[0] == found[1] != []


def test_nothing_is_done_twice(start_server, postgres_store):
    assert_migrated(postgres_store)
    before = postgres.schema(postgres_store)
    assert_migrated(postgres_store)
    # What is printed now is nothing, or changes nothing.
    assert postgres.run_psql(postgres_store, printed(postgres_store)).returncode == 0
    start_server(postgres_store).stop()
    assert postgres.schema(postgres_store) == before


@pytest.mark.parametrize("made_by", ["nobody", "LangGraph"])
def test_a_role_that_may_define_nothing_is_told_what_to_do(postgres_store, made_by):
    if made_by == "LangGraph":
        with PostgresSaver.from_conn_string(postgres_store) as saver:
            saver.setup()
    role = postgres.runtime_role(postgres_store)
    before = postgres.schema(postgres_store)
    ended = serve(role)
    assert_refused(ended, FAILED, "milepost migrate")
    assert postgres.password_of(role) not in ended.stderr
    assert_refused(migrate(role), FAILED)
    assert postgres.schema(postgres_store) == before


def test_distribute_without_citus(postgres_store):
    assert_refused(migrate(postgres_store, "--distribute"), FAILED, "Citus", "not installed")


@pytest.mark.parametrize("store", ["memory:", "sqlite:milepost.db"])
def test_only_postgresql_is_migrated_by_command(store, tmp_path):
    ended = milepost("migrate", "--store", store, directory=tmp_path)
    assert ended.returncode != 0 and "postgresql" in ended.stderr.lower()
    assert list(tmp_path.iterdir()) == []


# MARK: at start


def test_many_servers_start_at_once_on_an_empty_database(postgres_store, tmp_path, thread_id):
    servers = [Server(postgres_store, tmp_path) for _ in range(SERVERS)]
    try:
        for server in servers:
            server.launch()
        wait_until(lambda: all([server.is_ready() for server in servers]), READY_LIMIT, "all of them are ready")
        for number, server in enumerate(servers):
            assert_works(server, f"{thread_id}-{number}")
    finally:
        for server in servers:
            if server.is_running:
                server.stop()


@pytest.mark.parametrize("command", [serve, migrate])
def test_a_newer_schema_is_refused(start_server, postgres_store, command):
    start_server(postgres_store).stop()
    postgres.execute(postgres_store, "INSERT INTO milepost_migrations (version) VALUES (9999)")
    before = postgres.schema(postgres_store)
    ended = command(postgres_store)
    assert_refused(ended, FAILED, "newer")
    assert postgres.password_of(postgres_store) not in ended.stderr
    assert postgres.schema(postgres_store) == before


@pytest.mark.parametrize("command", [serve, migrate])
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_is_not_utf8_is_refused(encoding, command):
    url = postgres.new_database(options=f"ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    assert_refused(command(url), FAILED, "UTF8", encoding)
    assert postgres.value(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_a_table_of_another_program_is_refused(postgres_store):
    postgres.execute(postgres_store, "CREATE TABLE checkpoints (id integer PRIMARY KEY, name text)")
    before = postgres.schema(postgres_store)
    assert_refused(serve(postgres_store), FAILED, "checkpoints")
    assert postgres.schema(postgres_store) == before


OLD_ROWS = (
    """INSERT INTO checkpoints (thread_id, checkpoint_id, type, checkpoint, metadata)
       VALUES ('old', 'c1', NULL, '{"v": 1, "id": "c1", "channel_versions": {"c": "1"}}', '{"step": 0}')""",
    "INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob) VALUES ('old', 'c', '1', 'bytes', 'b')",
    """INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, type, blob)
       VALUES ('old', 'c1', 't', 0, 'c', 'bytes', 'w')""",
)


@pytest.mark.parametrize("version", [3, 4, 8])
@pytest.mark.parametrize("way", ["serve", "psql"])
def test_an_old_langgraph_database_is_brought_up(start_server, postgres_store, thread_id, version, way):
    """As LangGraph's setup() left it years ago: blobs may not be null in 3, there is no task_path before 9."""
    for number, statement in enumerate(PostgresSaver.MIGRATIONS[: version + 1]):
        postgres.execute(postgres_store, statement, f"INSERT INTO checkpoint_migrations (v) VALUES ({number})")
    postgres.execute(postgres_store, *OLD_ROWS)
    if way == "psql":
        done = postgres.run_psql(postgres_store, printed(postgres_store))
        assert done.returncode == 0, done.stderr
        server = start_server(postgres.runtime_role(postgres_store))
    else:
        server = start_server(postgres_store)
    assert_works(server, thread_id)
    found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": "old"}).json()
    assert (found["metadata"], found["parent_checkpoint_id"]) == ({"step": 0}, None)
    assert found["blobs"] == [{"channel": "c", "version": "1", "type": "bytes", "blob": "Yg=="}]
    assert found["pending_writes"] == [{"task_id": "t", "idx": 0, "channel": "c", "type": "bytes", "blob": "dw=="}]
    with PostgresSaver.from_conn_string(postgres_store) as saver:
        saver.setup()
        config = {"configurable": {"thread_id": "old", "checkpoint_ns": ""}}
        assert saver.get_tuple(config).pending_writes == [("t", "c", b"w")]
