"""What was acknowledged survives on PostgreSQL: SIGKILL to Milepost, and to all of PostgreSQL, under load."""

import random
import time

import load
import patient
import postgres
from server import answers_ok, wait_until

CYCLES = 6
RESTART_LIMIT = 5.0
RECOVERY_LIMIT = 10.0
A_WRITE = {"task_id": "t", "idx": 0, "channel": "c", "type": "bytes", "blob": "YQ=="}


def test_every_acknowledged_write_survives_sigkill_of_milepost(start_server, postgres_store, seed):
    load.kill_under_load(start_server(postgres_store), CYCLES, seed, RESTART_LIMIT, patient.check)


def test_every_acknowledged_write_survives_sigkill_of_postgresql(start_server, own_cluster, seed):
    """The same Milepost all along: it must come back by itself as soon as PostgreSQL does."""
    moments = random.Random(seed)
    server = start_server(postgres.new_database(own_cluster.url()))
    with patient.PatientLoad(server.port, "killed", seed) as running:
        for _ in range(3):
            began = time.monotonic()
            wait_until(lambda: running.all_have_stored_since(began), 10, "every client stores something")
            time.sleep(moments.uniform(0.05, 0.5))  # Not to wait for something: the moment of the crash.
            own_cluster.kill()
            own_cluster.start()
            back = time.monotonic()
            limit = RECOVERY_LIMIT
            wait_until(lambda: running.all_have_stored_since(back), limit, "every client stores something again")
    patient.check(server.port, running.writers)


def test_a_server_without_its_database_says_so_and_comes_back(start_server, own_cluster, thread_id):
    """Down for longer than a call may take: 503 in time, not ready, alive; then as before."""
    server = start_server(postgres.new_database(own_cluster.url()))
    client, thread = load.Client(server.port), {"thread_id": thread_id}
    key = {**thread, "checkpoint_id": "c1"}
    put, put_writes = {**key, "checkpoint": {"id": "c1"}}, {**key, "writes": [A_WRITE]}
    assert client.post("put", put)[0] == 200
    own_cluster.kill()
    bodies = {"put": put, "put-writes": put_writes, "get-tuple": thread, "list": thread, "delete-thread": thread}
    for call in [patient.Call(server.port, path, body) for path, body in bodies.items()]:
        call.assert_unavailable()
        assert postgres.password_of(server.store) not in str(call.answer)
    assert answers_ok(f"{server.base_url}/healthz") and not answers_ok(f"{server.base_url}/readyz")
    own_cluster.start()
    wait_until(lambda: client.post("get-tuple", {"thread_id": thread_id})[0] == 200, RECOVERY_LIMIT, "it answers")
    wait_until(server.is_ready, RECOVERY_LIMIT, "it is ready")
    assert postgres.password_of(server.store) not in server.log_text()
