"""What goes wrong between Milepost and a PostgreSQL that lives: nothing acknowledged is lost, and nobody waits for long.

Every client here takes a 503 at its word and sends the same request again; any other failure fails the test.
"""

import contextlib
import time

import pytest

import cluster
import load
import patient
import postgres
from server import wait_until

pytestmark = pytest.mark.breaking

RECOVERY_LIMIT = 10.0
# What may pass before a call that nothing is wrong with is answered, while others are stuck.
NEIGHBOUR_LIMIT = 3.0
STUCK_CALLS = 20


def wait_for_everybody(running, limit=RECOVERY_LIMIT):
    """Returns when every client has stored something that it began to wait for after now."""
    now = time.monotonic()
    wait_until(lambda: running.all_have_stored_since(now), limit, "every client stores something")


# MARK: connections


def test_a_storm_of_terminated_connections(start_server, postgres_store, seed):
    server = start_server(postgres_store)
    with patient.PatientLoad(server.port, "storm", seed) as running:
        wait_for_everybody(running)
        with postgres.Storm(postgres_store, 0.05) as storm:
            wait_until(lambda: storm.ended > 50, 30, "fifty connections were ended")
        wait_for_everybody(running)
    patient.check(server.port, running.writers)


def test_connections_that_are_ended_while_nobody_calls(start_server, postgres_store, thread_id):
    """A connection that died in the pool costs nobody an error."""
    client = load.Client(start_server(postgres_store).port)
    body = {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {}}
    for _ in range(10):
        assert client.post("put", body)[0] == 200
        postgres.terminate_all(postgres_store)
        assert client.post("get-tuple", {"thread_id": thread_id})[0] == 200
        postgres.terminate_all(postgres_store)


def test_restarts(start_server, own_cluster, seed):
    server = start_server(postgres.new_database(own_cluster.url()))
    with patient.PatientLoad(server.port, "restart", seed) as running:
        for _ in range(3):
            wait_for_everybody(running)
            own_cluster.restart()
        wait_for_everybody(running)
    patient.check(server.port, running.writers)


def test_no_connection_is_left(start_server, seed):
    """Others have taken all of them before the first client comes; then they go away."""
    with cluster.throwaway(max_connections=20) as small, contextlib.ExitStack() as others:
        owner = postgres.new_database(small.url())
        start_server(owner).stop()
        server = start_server(postgres.runtime_role(owner))
        foreign = postgres.new_role(small.url())
        foreign = postgres.changed(foreign, database="postgres")

        def has_none():
            postgres.terminate_all(owner)
            others.enter_context(postgres.connections(foreign, 100))
            count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            return postgres.value(small.url(), count, (postgres.database_of(owner),)) == 0

        wait_until(has_none, 10, "Milepost has lost every connection")
        with patient.PatientLoad(server.port, "crowd", seed) as running:
            wait_until(lambda: running.refused > 0, patient.ANSWER_LIMIT, "a client is told to come back")
            others.close()
            wait_for_everybody(running)
        patient.check(server.port, running.writers)
        server.stop()


def test_a_frozen_server(start_server, own_cluster, seed):
    """SIGSTOP: connections stay open, and even take what is sent, but nothing comes back."""
    server = start_server(postgres.new_database(own_cluster.url()))
    with patient.PatientLoad(server.port, "frozen", seed) as running:
        wait_for_everybody(running)
        own_cluster.freeze()
        try:
            reads = [patient.Call(server.port, path, {"thread_id": "frozen-0"}) for path in ("get-tuple", "list")]
            for read in reads:
                read.assert_unavailable()
            wait_until(lambda: running.refused > 0, patient.ANSWER_LIMIT, "a client is told to come back")
        finally:
            own_cluster.thaw()
        wait_for_everybody(running)
    patient.check(server.port, running.writers)


# MARK: statements


def test_errors_that_pass(start_server, postgres_store, seed):
    """Serialization failures, deadlocks, cancelled statements and lack of connections, at random: nobody hears of them."""
    server = start_server(postgres_store)
    for table in postgres.TABLES:
        postgres.execute(postgres_store, *at_random(table, ["40001", "40P01", "57014", "53300"]))
    with patient.PatientLoad(server.port, "passing", seed) as running:
        wait_until(lambda: running.acknowledged > 300, 60, "three hundred changes are stored")
    assert postgres.value(postgres_store, "SELECT last_value FROM failures") > 20
    assert running.refused == 0
    patient.check(server.port, running.writers)


def at_random(table, codes):
    """Makes one statement in five on that table fail with one of these codes."""
    words = ", ".join(f"'{code}'" for code in codes)
    return (
        "CREATE SEQUENCE IF NOT EXISTS failures",
        f"""CREATE FUNCTION fail_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE codes text[] := ARRAY[{words}];
        BEGIN
            IF random() < 0.2 THEN
                RAISE EXCEPTION 'of the test' USING ERRCODE = codes[1 + nextval('failures') % {len(codes)}];
            END IF;
            RETURN NULL;
        END $$""",
        f"CREATE TRIGGER fail AFTER INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION fail_{table}()",
    )


def test_a_short_statement_timeout(start_server, postgres_store, seed):
    """The role's statements end after a tenth of a second, and tables are locked for longer than that."""
    start_server(postgres_store).stop()
    role = postgres.runtime_role(postgres_store)
    name = postgres.user_of(role)
    postgres.execute(postgres_store, f"ALTER ROLE \"{name}\" SET statement_timeout = '100ms'")
    server = start_server(role)
    with patient.PatientLoad(server.port, "short", seed) as running:
        for table in postgres.TABLES:
            wait_for_everybody(running)
            with postgres.held(postgres_store, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"):
                time.sleep(0.5)  # Not to wait for something: as long as the lock is held.
        wait_for_everybody(running)
    patient.check(server.port, running.writers)


A_WRITE = {"task_id": "t", "idx": 0, "channel": "c", "type": "bytes", "blob": "YQ=="}


def test_rows_that_others_have_locked(start_server, postgres_store, seed):
    """Who wants these rows is told to come back in time; nobody else notices; afterwards they are as any others."""
    server = start_server(postgres_store)
    client = load.Client(server.port)
    key = {"thread_id": "locked", "checkpoint_id": "c1"}
    bodies = {"put": {**key, "checkpoint": {"n": 1}}, "put-writes": {**key, "writes": [A_WRITE]}}
    assert client.post("put", bodies["put"])[0] == 200
    lock = "SELECT FROM checkpoints WHERE thread_id = 'locked' FOR UPDATE"
    columns = "(thread_id, checkpoint_id, task_id, idx, channel, blob)"
    insert = f"INSERT INTO checkpoint_writes {columns} VALUES ('locked', 'c1', 't', 0, 'theirs', '')"
    with patient.PatientLoad(server.port, "neighbour", seed) as running:
        wait_for_everybody(running)
        with postgres.held(postgres_store, lock, insert):
            stuck = [patient.Call(server.port, *item) for _ in range(STUCK_CALLS // 2) for item in bodies.items()]
            beside = {"thread_id": "locked", "checkpoint_id": "c2", "checkpoint": {}}
            while any(call.is_alive() for call in stuck):
                for path, body in (("put", beside), ("get-tuple", key), ("list", {"thread_id": "locked"})):
                    call = patient.Call(server.port, path, body).ended()
                    assert call.status == 200 and call.took < NEIGHBOUR_LIMIT, (path, call.status, call.took)
                wait_for_everybody(running, NEIGHBOUR_LIMIT)
            for call in stuck:
                call.assert_unavailable()
        assert [client.post(path, body)[0] for path, body in bodies.items()] == [200, 204]
    slowest = max(writer.slowest for writer in running.writers)
    assert running.refused == 0 and slowest < NEIGHBOUR_LIMIT, f"a neighbour waited for {slowest:.1f} s"
    patient.check(server.port, running.writers)
    assert client.post("get-tuple", key)[1]["pending_writes"] == [A_WRITE]


REFUSE = (
    """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'of the test';
    END $$""",
    """CREATE TRIGGER refuse BEFORE INSERT ON checkpoint_blobs FOR EACH ROW WHEN (NEW.channel = 'bad')
       EXECUTE FUNCTION refuse()""",
    "ALTER TABLE checkpoint_writes ADD CONSTRAINT refuse CHECK (channel <> 'bad')",
)


def test_a_row_that_the_database_refuses(start_server, postgres_store, seed):
    """It fails its own request, all of it; those that were stored together with it hear nothing of it."""
    server = start_server(postgres_store)
    postgres.execute(postgres_store, *REFUSE)
    key = {"thread_id": "bad", "checkpoint_id": "c1"}
    good, bad = {**A_WRITE, "task_id": "good"}, {**A_WRITE, "channel": "bad"}
    blobs = [{"channel": name, "version": "1", "type": "bytes", "blob": "YQ=="} for name in ("good", "bad")]
    bodies = [
        ("put-writes", {**key, "writes": [good, bad]}),
        ("put", {**key, "checkpoint": {"channel_versions": {"good": "1", "bad": "1"}}, "blobs": blobs}),
    ]
    with patient.PatientLoad(server.port, "good", seed) as running:
        wait_for_everybody(running)
        for _ in range(20):
            for call in [patient.Call(server.port, *bodies[number % 2]) for number in range(6)]:
                assert call.ended().status >= 500, call.answer
                assert call.took < NEIGHBOUR_LIMIT
        wait_for_everybody(running)
    assert running.refused == 0
    patient.check(server.port, running.writers)
    for table in postgres.TABLES:
        assert postgres.value(postgres_store, f"SELECT count(*) FROM {table} WHERE thread_id = 'bad'") == 0
