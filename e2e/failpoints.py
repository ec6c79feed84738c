"""A program that dies at a named point: which points there are, and a store whose servers die at them.

The points are those of `Failpoint` in Sources/Checkpoints, which debug builds have: the program looks at a file at each
of them, dies at the one that is named there, and writes down which it passed.
"""

import base64
import os
import re
import signal
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx

import postgres
from server import REPOSITORY, Server, wait_until
from test_startup import milepost

VARIABLE = "MILEPOST_FAILPOINT_FILE"
DEBUG_BINARY = REPOSITORY / ".build-address/debug/milepost"
# How often a point is died at: at a seeded sample of its passes, or at each.
EVERY_PASS = os.environ.get("MILEPOST_FAILPOINTS") == "all"
LIMIT = 60
# Rows that say nothing about what clients stored.
BOOKKEEPING = ("probes", "milepost_probes", "milepost_leases", "sqlite_stat1")
# What is passed first and last when a change was committed, and when the log is moved, some time after that.
FIRST_AND_LAST = [
    ("sqlite committed", "sqlite answered"),
    ("postgres committed", "postgres answered"),
    ("sqlite before moving the log", "sqlite after moving the log"),
]
# What is passed before and after a change of agents' data takes effect.
COMMITS = {
    "sqlite": ("sqlite before COMMIT TRANSACTION", "sqlite after COMMIT TRANSACTION"),
    "postgres": ("postgres before milepost_commit", "postgres after milepost_commit"),
}


def debug_binary():
    """The program that has the points; it is made by what builds the Swift tests."""
    assert os.access(DEBUG_BINARY, os.X_OK), f"no program at {DEBUG_BINARY}: run `scripts/sanitize address --build`"
    return DEBUG_BINARY


class Points:
    """The file that the program looks at, and the one it writes."""

    def __init__(self, directory):
        self._path = Path(directory) / "failpoint"
        self._passed = Path(f"{self._path}.passed")
        # The program is the one that the Swift tests built, with AddressSanitizer; what it leaves at its end is no leak.
        self.environment = {VARIABLE: str(self._path), "ASAN_OPTIONS": "detect_leaks=0"}

    def die_at(self, name, time):
        """The process dies when it passes the point for the so-manieth time from now on."""
        self._write(f"{name}@{time}")

    def watch(self):
        """What is passed from now on is written down, and nobody dies."""
        self._passed.unlink(missing_ok=True)
        self._write("-")

    def rest(self):
        """Points are nothing."""
        self._write("")

    def passed(self):
        """The names of what was passed, in order, again and again."""
        return self._passed.read_text(encoding="utf-8").splitlines() if self._passed.exists() else []

    def _write(self, text):
        new = self._path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.rename(self._path)


def chosen(passed, chance, start=0):
    """Where to die: at each pass of each point, or, in the short form, once at each; by name and number of the pass.

    The short form leaves out the first `start` passes, and dies before or after a statement that is no commit: what is
    after one is before the next.
    """
    count, found = Counter(), {}
    for number, name in enumerate(passed):
        count[name] += 1
        if EVERY_PASS:
            found[name, count[name]] = [(name, count[name])]
        elif number >= start:
            is_commit = "commit" in name.lower()
            key = name if is_commit else re.sub("^(sqlite|postgres) (before|after) (?!moving)", "", name)
            found.setdefault(key, []).append((name, count[name]))
    return [chance.choice(places) for places in found.values()]


def place(passed, name, time):
    """Where in what was passed the point comes for the so-manieth time."""
    return [number for number, found in enumerate(passed) if found == name][time - 1]


def run(*arguments, points=None):
    """Runs the program to its end, and gives how that was; the debug build where it is to pass points."""
    if points is None:
        return milepost(*arguments, limit=LIMIT)
    return milepost(*arguments, binary=debug_binary(), environment=points.environment, limit=LIMIT)


def rows(store):
    """Every row of every table, as the database gives it to somebody else who reads it."""
    if not store.startswith("sqlite:"):
        found = postgres.query(store, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {
            name: Counter(text for (text,) in postgres.query(store, f'SELECT rows::text FROM "{name}" AS rows'))
            for (name,) in found
            if name not in BOOKKEEPING
        }
    with closing(sqlite3.connect(f"file:{store.removeprefix('sqlite:')}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        names = [name for (name,) in found if name not in BOOKKEEPING]
        return {name: Counter(db.execute(f'SELECT * FROM "{name}"')) for name in names}


def growth(before, after):
    """How many rows came to each table, or went."""
    return {name: after[name].total() - before[name].total() for name in after}


def sessions_are_gone(store):
    """Whether nobody but who asks is connected to a database: a session whose client is dead may still commit."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
    return postgres.value(postgres.changed(store, database="postgres"), statement, (postgres.database_of(store),)) == 0


def wait_for_the_dead(store):
    if not store.startswith("sqlite:"):
        wait_until(lambda: sessions_are_gone(store), LIMIT, "the dead server's sessions are over")


def whole(client, thread):
    """All there is to see of a thread, as text: its tuples with everything, and what is set for it."""
    body = {"thread_id": thread, "limit": 1000, "include": ["blobs", "pending_writes", "task_path"]}
    answer = client.post("/checkpoints/list", json=body)
    assert answer.status_code == 200 and "x-next-cursor" not in answer.headers, answer.text
    return answer.text + client.get(f"/threads/{thread}/retention").text


def log_is_moved(store):
    """Whether all pages of the write-ahead log are in the file; its index says how many there are, and were moved.

    https://www.sqlite.org/walformat.html#walidxfmt
    """
    index = Path(f"{store.removeprefix('sqlite:')}-shm").read_bytes()
    return index[16:20] == index[96:100]


def is_over(passed):
    """Whether what was begun last has passed its last point."""
    newest = [next((name for name in reversed(passed) if name in pair), pair[1]) for pair in FIRST_AND_LAST]
    return newest == [last for _, last in FIRST_AND_LAST]


def put(client, thread, number, run="run"):
    """One more step of a thread whose channel grows."""
    version = f"{number + 1:032}.0"
    text = "".join(f"message {turn} of {number}; " for turn in range(200 * (number + 1)))
    body = {
        "thread_id": thread,
        "checkpoint_id": f"c{number}",
        "parent_checkpoint_id": f"c{number - 1}" if number else None,
        "checkpoint": {"v": 4, "id": f"c{number}", "channel_versions": {"messages": version, "short": version}},
        "metadata": {"step": number, "run_id": run},
        "blobs": [
            {"channel": channel, "version": version, "type": "bytes", "blob": base64.b64encode(value.encode()).decode()}
            for channel, value in (("messages", text), ("short", f"step {number}"))
        ],
    }
    return client.post("/checkpoints/put", json=body).status_code


def post(client, path, **body):
    return client.post(f"/checkpoints/{path}", json=body).status_code


def put_writes(client, subject, numbers, blob="AQ==", checkpoint="c0", **more):
    writes = [
        {"task_id": f"task-{number // 2}", "idx": number, "channel": "messages", "type": "bytes", "blob": blob}
        for number in numbers
    ]
    return post(client, "put-writes", thread_id=subject, checkpoint_id=checkpoint, writes=writes, **more)


class Lineage:
    """One store and the servers on it, one after the other; each is killed at a point of a call and the next must find
    the call done or not begun.

    Each call is about threads that no other call is about; one thread stands by.
    """

    def __init__(self, kind, store, directory):
        self.store = store
        self.kind = kind
        self.crashes = 0
        self.points = Points(directory)
        self.points.rest()
        self.server = Server(store, directory, environment=self.points.environment, binary=debug_binary()).start()
        self._number = 0
        # What the threads of earlier calls must be, by name.
        self._settled = {}

    def client(self):
        return httpx.Client(base_url=self.server.base_url, timeout=LIMIT, verify=False)

    def prepare(self, call):
        """A new subject for the call, with what the call needs."""
        self._number += 1
        subject = f"{call.name}-{self._number}"
        self.points.watch()
        with self.client() as client:
            put(client, f"{subject}-beside", 0)
            call.prepare(client, subject)
        return subject

    def be_answered(self):
        """Until what was answered before has passed its last point, so that what is passed next is the next call's."""
        wait_until(lambda: is_over(self.points.passed()), LIMIT, "the last point is passed")

    def be_idle(self):
        """The same, and until nothing is left to be done when nothing comes."""
        if self.kind == "sqlite":
            wait_until(lambda: log_is_moved(self.store), LIMIT, "the log is moved")
        self.be_answered()

    def learn(self, call):
        """The points that a call passes; what becomes of it is its promise from then on."""
        subject = self.prepare(call)
        self.be_idle()
        before = rows(self.store)
        self.points.watch()
        with self.client() as client:
            status = call.send(client, subject)
        assert status == call.status, f"{call.name}: {status}"
        self.be_idle()
        passed = self.points.passed()
        call.growth = growth(before, rows(self.store))
        call.after = self.look(call, subject)
        self._settled[subject] = call
        return passed

    def look(self, call, subject):
        """All there is of what the call may touch, whatever its name."""
        with self.client() as client:
            return [whole(client, thread).replace(subject, "subject") for thread in call.threads(subject)]

    def crash(self, call, name, time, expected):
        """Dies at the point in a call, starts again and checks; `expected` is "absent", "present" or "either".

        Gives what was found: "absent" or "present".
        """
        where = f"{self.kind}, {call.name}, {name}@{time}"
        subject = self.prepare(call)
        if "the log" in name:
            self.be_idle()
        else:
            self.be_answered()
        before = rows(self.store)
        self.points.die_at(name, time)
        with self.client() as client:
            try:
                status = call.send(client, subject)
            except httpx.TransportError:
                status = None
        assert self.died(), f"{where}: the point was not passed; answered {status}"
        wait_for_the_dead(self.store)
        self.points.rest()
        self.server.start()
        self.crashes += 1
        found = rows(self.store)
        is_present = found != before
        assert expected != "absent" or not is_present, f"{where}: something is stored of what was not committed"
        assert expected != "present" or is_present, f"{where}: what was committed is lost"
        assert status is None or is_present, f"{where}: acknowledged with {status}, and lost"
        if is_present:
            assert growth(before, found) == call.growth, f"{where}: {growth(before, found)} rows, not {call.growth}"
            assert self.look(call, subject) == call.after, f"{where}: half of it is stored"
        if EVERY_PASS:
            self.verify(where)
        with self.client() as client:
            assert call.send(client, subject) == call.status, f"{where}: cannot be repeated"
        assert self.look(call, subject) == call.after, f"{where}: repeated, it came to something else"
        assert growth(before, rows(self.store)) == call.growth, f"{where}: repeated, it left other rows"
        self._settled[subject] = call
        return "present" if is_present else "absent"

    def died(self):
        """Whether the process ends by SIGKILL, which nobody else sends."""
        try:
            return self.server.process.wait(10) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False

    def verify(self, where):
        ended = run("verify", "--store", self.store)
        assert ended.returncode == 0, f"{where}: {ended.stdout}{ended.stderr}"

    def end(self):
        """All that was ever done is as it was, and the store is sound."""
        for subject, call in self._settled.items():
            assert self.look(call, subject) == call.after, f"{subject} is not what it was"
        self.verify("at the end")
        self.server.stop()
