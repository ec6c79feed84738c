"""What was acknowledged survives on PostgreSQL: SIGKILL to Milepost, and to all of PostgreSQL, under load.

MILEPOST_KILL_CYCLES=500 kills each of them so often.
"""

import os
import time

import pytest

import load
import mixed
import patient
import postgres
from server import answers_ok, wait_until

pytestmark = pytest.mark.alone

CYCLES = int(os.environ.get("MILEPOST_KILL_CYCLES", "50"))
RESTART_LIMIT = 2.0
RECOVERY_LIMIT = 10.0
A_WRITE = {"task_id": "t", "idx": 0, "channel": "c", "type": "bytes", "blob": "YQ=="}


PARTS = pytest.mark.parametrize(("first", "cycles"), mixed.parts(CYCLES))


@PARTS
def test_changes_survive_sigkill_of_milepost(start_server, postgres_store, seed, figures, first, cycles):
    crashes = mixed.kill_server(start_server(postgres_store), cycles, f"{seed}-{first}", RESTART_LIMIT)
    crashes.report(figures, "kill -9 of Milepost over PostgreSQL, nothing lost")


@PARTS
def test_changes_survive_sigkill_of_postgresql(start_server, own_cluster, seed, figures, first, cycles):
    """The same Milepost all along: it must come back by itself as soon as PostgreSQL does."""
    store = postgres.new_database(own_cluster.url())
    server = start_server(store)
    crashes = mixed.Crashes(server.port, store, f"{seed}-{first}", RESTART_LIMIT)
    started = 0.0

    def crash():
        nonlocal started
        own_cluster.kill()
        own_cluster.start()
        started = time.monotonic()

    def recover():
        wait_until(server.is_ready, RECOVERY_LIMIT, "Milepost is ready again")
        return time.monotonic() - started

    crashes.run(cycles, crash, recover)
    crashes.report(figures, "kill -9 of PostgreSQL, nothing lost")


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
