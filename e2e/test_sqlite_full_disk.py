"""A disk that is full, a real one: a small file system in memory, where the store lies, or a backup of it is to lie.

Mounting needs root, or sudo that asks for nothing; without either these tests fail and say so.
"""

import base64
import contextlib
import errno
import json
import random

import pytest

import load
import patient
from server import wait_until
from test_postgres_full_disk import Ballast, fill_until_it_is_noticed, small_disk, wait_for_everybody
from test_startup import FAILED, assert_refused, milepost

pytestmark = pytest.mark.breaking

FULL = "The store's disk is full; nothing was changed"
ROUNDS = 2


class SteadyBallast(Ballast):
    """One that is tried again where clients take the space before it does."""

    def fill(self):
        for _ in range(10):
            try:
                return super().fill()
            except OSError as error:
                assert error.errno in (errno.ENOSPC, errno.EINVAL)


class WholeBallast(SteadyBallast):
    """Takes up everything: not a page is left."""

    def fill(self):
        super().fill()
        with contextlib.suppress(OSError), open(self._path, "ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass


def put(client, thread_id, blob="aGVsbG8="):
    return client.post("put", {
        "thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {"id": "c1", "channel_versions": {"a": "1"}},
        "blobs": [{"channel": "a", "version": "1", "type": "bytes", "blob": blob}],
    })


def verify(store):
    ended = milepost("verify", "--store", store, "--json")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    return json.loads(ended.stdout)


def test_the_disk_of_the_store_is_full(start_server, seed, thread_id):
    """Under load: a full disk is told as such, reads go on, and so do writes, by themselves, once there is space."""
    with small_disk() as disk:
        store = f"sqlite:{disk / 'milepost.db'}"
        server = start_server(store)
        client = load.Client(server.port)
        assert put(client, thread_id)[0] == 200

        def reads():
            for path in ("get-tuple", "list"):
                assert client.post(path, {"thread_id": thread_id})[0] == 200

        def refused():
            status, answer = put(client, "too much", "A" * (1 << 20))
            if status == 200:
                return False
            assert (status, client.headers["retry-after"]) == (503, "30"), answer
            assert answer == {"detail": FULL}
            return True

        ballast = SteadyBallast(disk)
        process = server.process.pid
        with patient.PatientLoad(server.port, "full", seed) as running:
            for _ in range(ROUNDS):
                wait_for_everybody(running)
                fill_until_it_is_noticed(running, ballast, reads)
                wait_until(refused, 10, "a change of 1 MiB finds the disk full")
                reads()
                ballast.remove()
                wait_for_everybody(running)
        assert server.process.pid == process and server.is_running
        patient.check(server.port, running.writers)
        found = verify(store)
        print(f"full disk: {running.acknowledged} changes stored, {running.refused} refused, 0 lost, "
              f"{found['checkpoints']} checkpoints verified")
        # What is in the log after a crash is there too.
        server.kill()
        server.start()
        patient.check(server.port, running.writers)
        server.stop()
        verify(store)


def test_a_start_on_a_full_disk(start_server, thread_id):
    """It is refused with the file's name, for a new store and for one with a log; nothing is lost by it."""
    with small_disk() as disk:
        store = f"sqlite:{disk / 'milepost.db'}"
        server = start_server(store)
        client = load.Client(server.port)
        assert put(client, thread_id)[0] == 200
        client.close()
        server.kill()
        ballast = WholeBallast(disk)
        ballast.fill()
        for path in (disk / "milepost.db", disk / "another.db"):
            assert_refused(milepost("serve", "--port", "0", "--store", f"sqlite:{path}"), FAILED, str(path), "space")
        ballast.remove()
        server.start()
        assert client.post("get-tuple", {"thread_id": thread_id})[1]["blobs"][0]["blob"] == "aGVsbG8="
        server.stop()
        assert verify(store)["checkpoints"] == 1


@pytest.mark.parametrize("is_served", [True, False], ids=["served", "closed"])
def test_a_backup_onto_a_full_disk(start_server, sqlite_store, tmp_path, thread_id, seed, is_served):
    """It fails with the file's name and leaves nothing that looks like a backup; the store goes on."""
    server = start_server(sqlite_store)
    client = load.Client(server.port)
    blob = base64.b64encode(random.Random(seed).randbytes(8 << 20)).decode()
    assert put(client, thread_id, blob)[0] == 200
    if not is_served:
        server.stop()
    with small_disk() as disk:
        ballast = SteadyBallast(disk)
        ballast.fill()
        before = sorted(disk.iterdir())
        ended = milepost("backup", "--store", sqlite_store, disk / "copy.db")
        assert_refused(ended, FAILED, str(disk / "copy.db"), "space")
        assert sorted(disk.iterdir()) == before
        ballast.remove()
        assert milepost("backup", "--store", sqlite_store, disk / "copy.db").returncode == 0
        assert verify(f"sqlite:{disk / 'copy.db'}")["checkpoints"] == 1
    if is_served:
        assert put(client, "goes on")[0] == 200
        server.stop()
    assert verify(sqlite_store)["ok"]
