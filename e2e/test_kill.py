"""What was acknowledged survives: SIGKILL and SIGTERM under load, and the same file opened again."""

import os
import time

import pytest

import load
from server import wait_until

CYCLES = int(os.environ.get("MILEPOST_KILL_CYCLES", "20"))
RESTART_LIMIT = 2.0


def check(port, writers):
    """Settles each writer's thread with the server."""
    client = load.Client(port)
    for writer in writers:
        load.settle(client, writer)
    client.close()


def test_every_acknowledged_write_survives_sigkill(start_server, sqlite_store, seed):
    load.kill_under_load(start_server(sqlite_store), CYCLES, seed, RESTART_LIMIT, check)


def test_every_acknowledged_write_survives_sigterm(start_server, sqlite_store, seed):
    """SIGTERM ends the server properly: no answer is cut short, and nothing that was answered is lost."""
    server = start_server(sqlite_store)
    writers = []
    for cycle in range(3):
        with load.Load(server.port, f"term-{cycle}", f"{seed}-term-{cycle}") as running:
            time.sleep(0.2)  # Not to wait for something: the moment of the end.
            server.stop()
        server.start()
        check(server.port, running.writers)
        writers += running.writers
    assert all(writer.acknowledged > 0 for writer in writers)
    check(server.port, writers)


def lost_write(found):
    writes = next(checkpoint["writes"] for checkpoint in found.values() if checkpoint["writes"])
    del writes[next(iter(writes))]


def changed_byte(found):
    writes = next(checkpoint["writes"] for checkpoint in found.values() if checkpoint["writes"])
    key = next(iter(writes))
    writes[key] = (*writes[key][:2], "AAAA" + writes[key][2][4:] + "AAAA")


def lost_checkpoint(found):
    del found[max(found)]


def old_metadata(found):
    found[max(found)]["metadata"] = {"step": 0}


@pytest.mark.parametrize("damage", [lost_write, changed_byte, lost_checkpoint, old_metadata])
def test_the_check_sees_damage(monkeypatch, start_server, damage):
    """A check that cannot fail proves nothing: each kind of loss must be reported."""
    server = start_server("memory:")
    with load.Load(server.port, "damage", "damage", clients=1) as running:
        wait_until(lambda: running.acknowledged >= 20, 10, "twenty changes are stored")
    read = load.read_thread

    def read_damaged(client, thread_id):
        found = read(client, thread_id)
        damage(found)
        return found

    check(server.port, running.writers)
    monkeypatch.setattr(load, "read_thread", read_damaged)
    with pytest.raises(AssertionError, match="damage-0: "):
        check(server.port, running.writers)
