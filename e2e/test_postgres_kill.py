"""What was acknowledged survives on PostgreSQL: SIGKILL to Milepost, and to all of PostgreSQL, under load."""

import random
import time

import pytest

import cluster
import load
import patient
import postgres
from server import wait_until

CYCLES = 8
RESTART_LIMIT = 5.0
RECOVERY_LIMIT = 10.0


@pytest.fixture
def own_cluster():
    """A PostgreSQL that a test may kill."""
    with cluster.throwaway() as running:
        yield running


def test_every_acknowledged_write_survives_sigkill_of_milepost(start_server, postgres_store, seed):
    moments = random.Random(seed)
    server = start_server(postgres_store)
    writers = []
    for cycle in range(CYCLES):
        with load.Load(server.port, f"cycle-{cycle}", f"{seed}-{cycle}") as running:
            time.sleep(moments.uniform(0.05, 0.5))  # Not to wait for something: the moment of the crash.
            server.kill()
        server.start()
        assert server.starting_took < RESTART_LIMIT
        patient.check(server.port, running.writers)
        writers += running.writers
    assert sum(writer.acknowledged for writer in writers) > CYCLES
    patient.check(server.port, writers)


def test_every_acknowledged_write_survives_sigkill_of_postgresql(start_server, own_cluster, seed):
    """The same Milepost all along: it must come back by itself as soon as PostgreSQL does."""
    moments = random.Random(seed)
    server = start_server(postgres.new_database(own_cluster.url()))
    with patient.PatientLoad(server.port, "killed", seed) as running:
        for _ in range(3):
            began = time.monotonic()
            wait_until(lambda: running.all_have_stored_since(began), 10, "every client stores something")
            time.sleep(moments.uniform(0.05, 0.5))  # As above.
            own_cluster.kill()
            own_cluster.start()
            back = time.monotonic()
            limit = RECOVERY_LIMIT
            wait_until(lambda: running.all_have_stored_since(back), limit, "every client stores something again")
    patient.check(server.port, running.writers)


def test_a_server_without_its_database_says_so_and_comes_back(start_server, own_cluster, thread_id):
    """Down for longer than a call may take: 503 in time, not ready, alive; then as before."""
    server = start_server(postgres.new_database(own_cluster.url()))
    client = load.Client(server.port)
    body = {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {"id": "c1"}}
    assert client.post("put", body)[0] == 200
    own_cluster.kill()
    for path, sent in (("put", body), ("get-tuple", {"thread_id": thread_id}), ("list", {"thread_id": thread_id})):
        began = time.monotonic()
        status, answer = client.post(path, sent)
        assert status == 503 and int(client.headers["retry-after"]) > 0, answer
        assert time.monotonic() - began < patient.ANSWER_LIMIT
        assert postgres.password_of(server.store) not in str(answer)
    own_cluster.start()
    wait_until(lambda: client.post("get-tuple", {"thread_id": thread_id})[0] == 200, RECOVERY_LIMIT, "it answers")
    wait_until(server.is_ready, RECOVERY_LIMIT, "it is ready")
    assert postgres.password_of(server.store) not in server.log_text()
