"""Long work beside small changes: exports, backups, sweeps and long lists, and a log that is moved into the file.

A put has to be answered within its limit, and the write-ahead log must not grow for as long as somebody reads.
"""

import contextlib
import itertools
import sqlite3
import threading
import time

import pytest

import load
import patient
from server import wait_until
from soak_load import milepost

pytestmark = pytest.mark.alone

MIB = 1 << 20
PUT_P99 = 2.0
LONGEST_GAP = 8.0
SECONDS = 12.0
WAL_LIMIT = 48 * MIB
# Where there are always readers they are waited for at 32,000 pages, which are 125 MiB; some more come meanwhile.
READ_WAL_LIMIT = 160 * MIB
FILLERS, STEPS = 8, 60


class Timed(load.Timed, patient.PatientWriter):
    """Knows how long each of its requests took."""


def fill(server, seed):
    """Threads that are long enough for lists, exports and backups to take a while."""
    stopping = threading.Event()
    for number in range(FILLERS):
        writer = load.Writer(server.port, f"filler-{number}", f"{seed}-{number}", stopping)
        for _ in range(STEPS):
            writer.send("put", writer.a_put())
            writer.send("put-writes", writer.new_writes())


@contextlib.contextmanager
def over_and_over(*works):
    """Each of these, again and again, in a thread of its own; gives how often each was done."""
    stopping, failures = threading.Event(), []
    done = [0] * len(works)

    def run(place, work):
        try:
            while not stopping.is_set():
                work()
                done[place] += 1
        except Exception as error:  # Kept for the main thread, which fails with it.
            failures.append(error)

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert failures == [], failures


def long_list(server):
    client = load.Client(server.port)
    for number in range(FILLERS):
        body = {"thread_id": f"filler-{number}", "limit": 1000, "include": ["blobs", "pending_writes"]}
        status, _ = client.post("list", body)
        assert status == 200
    client.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_changes_are_answered_beside_long_work(start_server, kind, sqlite_store, postgres_store, tmp_path, seed):
    store = sqlite_store if kind == "sqlite" else postgres_store
    # Sweeps that look at every thread and take nothing, however many checkpoints come.
    server = start_server(store, "--retain-last", "1000000", "--sweep-interval", "1s")
    fill(server, seed)
    number = itertools.count()
    wal = tmp_path / "milepost.db-wal"

    def export():
        milepost("export", "--store", store, "--output", tmp_path / f"export-{next(number)}")

    def back_up():
        copy = tmp_path / f"copy-{next(number)}.db"
        milepost("backup", "--store", store, copy)
        copy.unlink()

    works = [lambda: long_list(server), lambda: long_list(server), export]
    works += [back_up] if kind == "sqlite" else []
    with load.Load(server.port, "small", seed, 4, Timed) as running:
        wait_until(lambda: running.acknowledged > 20, 30, "changes are stored")
        with over_and_over(*works) as done:
            began, longest_log = time.monotonic(), 0
            while time.monotonic() - began < SECONDS or min(done) == 0:
                longest_log = max(longest_log, wal.stat().st_size if wal.exists() else 0)
                time.sleep(0.05)
    waits = sorted(wait for writer in running.writers for wait in writer.waits)
    p99 = waits[len(waits) * 99 // 100]
    print(
        f"\nstarvation: {kind}: beside {', '.join(map(str, done))} long works {running.acknowledged} changes, "
        f"p99 {p99:.3f} s, the slowest {waits[-1]:.2f} s; the log took {longest_log >> 20} MiB at most"
    )
    assert p99 < PUT_P99 and waits[-1] < LONGEST_GAP
    assert longest_log < READ_WAL_LIMIT
    patient.check(server.port, running.writers)


def log_after_changes(server, path, name, seed, changes=600):
    """How large the log is when so many changes were stored, over and above what was there."""
    with load.Load(server.port, name, seed, 4) as running:
        wait_until(lambda: running.acknowledged > changes, 120, "changes are stored")
    return path.stat().st_size


def test_the_log_is_moved_unless_somebody_holds_it_and_is_moved_after(start_server, tmp_path, sqlite_store, seed):
    """The known bad case: another program that reads for long keeps the log from being used again, and can be seen."""
    server = start_server(sqlite_store)
    path = tmp_path / "milepost.db-wal"
    usual = max(log_after_changes(server, path, f"usual-{number}", seed) for number in range(2))
    with contextlib.closing(sqlite3.connect(f"file:{tmp_path / 'milepost.db'}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        held = log_after_changes(server, path, "held", seed, 6 * 600)
        reader.execute("ROLLBACK")
    after = [log_after_changes(server, path, f"after-{number}", seed) for number in range(3)][-1]
    print(f"\nstarvation: the log has {usual >> 20} MiB, {held >> 20} while it is held, {after >> 20} after")
    assert usual < WAL_LIMIT < held
    assert after < WAL_LIMIT
