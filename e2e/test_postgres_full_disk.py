"""A disk that is full, a real one: a small file system in memory, where PostgreSQL keeps its tables, or its log.

Mounting needs root, or sudo that asks for nothing; without either these tests fail and say so.
"""

import contextlib
import os
import subprocess
import time

import pytest

import cluster
import load
import patient
import postgres
from server import wait_until

pytestmark = pytest.mark.breaking

DISK = 256 * 1024 * 1024
LEFT_FREE = 4 * 1024 * 1024
RECOVERY_LIMIT = 10.0


def as_root(*command):
    """Runs a command that only root may run."""
    words = [*([] if os.geteuid() == 0 else ["sudo", "--non-interactive"]), *map(str, command)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"a full disk cannot be tested: {' '.join(words)}: {done.stderr.strip()}"


@contextlib.contextmanager
def small_disk():
    """An empty file system of its own, with a directory in it that is PostgreSQL's."""
    with cluster.directory_of_its_own() as directory:
        mount = cluster.make_directory(directory / "disk")
        owner = mount.stat()
        as_root("mount", "-t", "tmpfs", "-o", f"size={DISK},uid={owner.st_uid},gid={owner.st_gid}", "tmpfs", mount)
        try:
            yield cluster.make_directory(mount / "postgres")
        finally:
            # Whatever still holds a file open must not keep the test's directory.
            as_root("umount", "--lazy", mount)


class Ballast:
    """A file that takes up what is free on a disk."""

    def __init__(self, directory):
        self._path = directory.parent / "ballast"

    def fill(self):
        with open(self._path, "wb", buffering=0) as file:
            free = os.statvfs(self._path)
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - LEFT_FREE)

    def remove(self):
        self._path.unlink()


def fill_until_it_is_noticed(running, ballast, reads):
    """Fills the disk under load; returns when a client was told to come back. What is stored can be read meanwhile."""
    ballast.fill()
    wait_until(lambda: running.refused > 0, 30, "a client is told to come back")
    reads()


def wait_for_everybody(running):
    now = time.monotonic()
    wait_until(lambda: running.all_have_stored_since(now), RECOVERY_LIMIT, "every client stores something")


def test_the_disk_of_the_tables_is_full(start_server, seed, thread_id):
    with small_disk() as disk:
        name = postgres.unique("space")
        postgres.execute(postgres.server_url(), f"CREATE TABLESPACE {name} LOCATION '{disk}'")
        url = postgres.new_database(options=f"TABLESPACE {name}")
        server = start_server(url)
        client = load.Client(server.port)
        assert client.post("put", {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {}})[0] == 200

        def reads():
            for path in ("get-tuple", "list"):
                assert client.post(path, {"thread_id": thread_id})[0] == 200

        # PostgreSQL writes a file for a database's first connections; those that read are made now.
        reads()
        ballast = Ballast(disk)
        try:
            with patient.PatientLoad(server.port, "full", seed) as running:
                wait_for_everybody(running)
                fill_until_it_is_noticed(running, ballast, reads)
                ballast.remove()
                wait_for_everybody(running)
            patient.check(server.port, running.writers)
        finally:
            # The cluster is everybody's: it must not look for these files when the disk is gone.
            server.stop()
            database = postgres.database_of(url)
            dropped = f'DROP DATABASE "{database}" WITH (FORCE)'
            postgres.execute(postgres.server_url(), dropped, f"DROP TABLESPACE {name}")


def test_the_disk_of_the_write_ahead_log_is_full(start_server, seed):
    """PostgreSQL itself goes down when it cannot write its log; once there is space it is started, and all is there."""
    with contextlib.ExitStack() as stack:
        disk, directory = stack.enter_context(small_disk()), stack.enter_context(cluster.directory_of_its_own())
        full = stack.enter_context(cluster.stopped_at_the_end(cluster.Cluster(directory)))
        full.create("--wal-segsize", "1", "--waldir", disk / "log").start()
        server = start_server(postgres.new_database(full.url()))
        ballast = Ballast(disk)
        with patient.PatientLoad(server.port, "log-full", seed) as running:
            wait_for_everybody(running)
            fill_until_it_is_noticed(running, ballast, lambda: None)
            wait_until(lambda: not full.is_running, 30, "PostgreSQL has gone down")
            ballast.remove()
            full.start()
            wait_for_everybody(running)
        patient.check(server.port, running.writers)
        server.stop()
