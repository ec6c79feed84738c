"""What a soak does to a server: agents of all kinds at once, each of which knows exactly what its threads must hold."""

import base64
import datetime
import http.client
import random
import subprocess
import threading
import time

import load
from events import Follower, Refused
from server import binary_path, clean_environment

RETAIN_IDLE, SWEEP_INTERVAL = 40, 5
# A thread that got no checkpoint for so long is gone, also where the machine is busy.
SWEPT_WITHIN = RETAIN_IDLE + 6 * SWEEP_INTERVAL
OPTIONS = ("--retain-idle", f"{RETAIN_IDLE}s", "--sweep-interval", f"{SWEEP_INTERVAL}s")
# Threads of an agent that are in use at one time, and how many changes one lives for.
SLOTS, LIFE = 3, 250
PAUSE = 0.02
LARGE_SHARE, LARGE_BYTES = 0.004, 1 << 20
KEEP = 5


class Agent(load.Writer):
    """Puts, writes, reads, lists, copies, prunes and deletes; gives threads up to the retention policy."""

    def __init__(self, port, thread_id, seed, stopping):
        super().__init__(port, thread_id, seed, stopping)
        self._name, self._count = thread_id, 0
        self.threads, self.given_up = {}, {}
        self.counts, self.times = {}, []
        self._ages = {}
        self._is_large = False

    def run(self):
        try:
            while not self._stopping.is_set():
                self.step()
                self._stopping.wait(PAUSE)
            for thread_id in self.threads:
                self.check(thread_id)
        except Exception as error:  # Kept for the main thread, which fails with it.
            self.failure = error
        finally:
            self._client.close()

    def step(self):
        """One call on one of the threads in use."""
        while len(self.threads) < SLOTS:
            self.begin()
        self.choose(self._random.choice(sorted(self.threads)))
        what = self._random.random()
        if what < 0.70:
            self.timed("change", lambda: self.send(*self.next_request()))
        elif what < 0.85:
            self.timed("get-tuple", self.read_newest)
        elif what < 0.95:
            self.timed("list", self.list_some)
        elif what < 0.98:
            self.timed("prune", self.prune)
        elif what < 0.99:
            self.copy()
        else:
            self.check(self.thread_id)
        self._ages[self.thread_id] += 1
        if self._ages[self.thread_id] >= LIFE:
            self.end(self.thread_id)

    def choose(self, thread_id):
        self.thread_id, self.model = thread_id, self.threads[thread_id]

    def begin(self):
        """A new thread, which has a checkpoint."""
        self._count += 1
        thread_id = f"{self._name}-{self._count}"
        self.threads[thread_id], self._ages[thread_id] = load.Model(), self._random.randrange(LIFE)
        self.choose(thread_id)
        self.send("put", self.a_put())

    def a_put(self):
        """With the time, by which a thread is found to be idle."""
        body = super().a_put()
        body["checkpoint"]["ts"] = datetime.datetime.now(datetime.UTC).isoformat()
        return body

    def timed(self, kind, call):
        self._is_large = False
        began = time.monotonic()
        call()
        if not self._is_large:
            self.times.append((time.monotonic() - began) * 1000)
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def send(self, path, body):
        """As a writer sends it: whatever is not a success ends the soak, and so does a connection that ends."""
        try:
            super().send(path, body)
        except load.Unanswered as error:
            raise AssertionError(f"{path} got no answer") from error

    def blob(self):
        if self._random.random() >= LARGE_SHARE:
            return super().blob()
        self._is_large = True
        return base64.b64encode(self._random.randbytes(LARGE_BYTES)).decode()

    def ask(self, call, **body):
        status, answer = self._client.post(call, body)
        assert status in (200, 204), f"{call} was answered with {status}: {answer}"
        return answer

    # MARK: the other calls

    def read_newest(self):
        newest = max(self.model.checkpoints)
        answer = self.ask("get-tuple", thread_id=self.thread_id)
        assert answer["checkpoint_id"] == newest, f"{self.thread_id}: {answer['checkpoint_id']} instead of {newest}"
        self._is_large = max(map(len, blobs_of(self.model.checkpoints[newest])), default=0) > load.LARGEST_BLOB * 2

    def list_some(self):
        listed = self.ask("list", thread_id=self.thread_id, limit=20)
        newest = sorted(self.model.checkpoints, reverse=True)[:20]
        assert [found["checkpoint_id"] for found in listed] == newest, f"{self.thread_id} is listed wrong"

    def prune(self):
        """The newest are kept as they were, and with them whatever the call keeps besides."""
        self.ask("prune", thread_ids=[self.thread_id], keep_last=KEEP)
        found = load.read_thread(self._client, self.thread_id)
        expected = self.model.checkpoints
        assert set(sorted(expected)[-KEEP:]) <= found.keys() <= expected.keys(), f"{self.thread_id} is pruned wrong"
        for checkpoint_id, kept in found.items():
            assert {**kept, "parent": None} == {**expected[checkpoint_id], "parent": None}, f"{self.thread_id} differs"
        self.model.checkpoints = found
        self._is_large = True

    def copy(self):
        """Goes on with a copy; the thread itself is ended."""
        self._count += 1
        source, target = self.thread_id, f"{self._name}-{self._count}"
        self.ask("copy-thread", source_thread_id=source, target_thread_id=target)
        self.counts["copy"] = self.counts.get("copy", 0) + 1
        self.threads[target], self._ages[target] = load.Model(), self._ages[source]
        self.threads[target].checkpoints = self.model.checkpoints
        self.end(source)
        self.choose(target)
        self.check(target)

    def end(self, thread_id):
        """Deletes the thread, or leaves it to the retention policy."""
        if self._random.random() < 0.5:
            self.ask("delete-thread", thread_id=thread_id)
            assert self.ask("list", thread_id=thread_id) == [], f"{thread_id} is still there"
            self.counts["delete"] = self.counts.get("delete", 0) + 1
        else:
            self.given_up[thread_id] = time.monotonic()
        del self.threads[thread_id]

    def check(self, thread_id):
        """Everything of the thread is there, byte for byte, and nothing else."""
        found = load.read_thread(self._client, thread_id)
        expected = self.threads[thread_id].checkpoints
        assert found == expected, f"{thread_id}: {load.what_differs(expected, found)}"
        self.counts["check"] = self.counts.get("check", 0) + 1

    @property
    def live_bytes(self):
        """Of the values in the threads in use."""
        return sum(
            len(blob) * 3 // 4
            for model in list(self.threads.values())
            for checkpoint in list(model.checkpoints.values())
            for blob in blobs_of(checkpoint)
        )

    def take_times(self):
        """How long its small calls took since it was asked last."""
        taken, self.times = self.times, []
        return taken


def blobs_of(checkpoint):
    return [value[-1] for part in ("blobs", "writes") for value in list(checkpoint[part].values())]


class Watcher(threading.Thread):
    """Follows one thread after the other for a while each."""

    def __init__(self, server, agents, seed, stopping):
        super().__init__(daemon=True)
        self._server, self._agents, self._stopping = server, agents, stopping
        self._random = random.Random(seed)
        self.events, self.followed, self.failure = 0, 0, None

    def run(self):
        try:
            while not self._stopping.wait(0.5):
                thread_id = self._random.choice(self._agents).thread_id
                try:
                    with Follower(self._server, thread_id) as follower:
                        self._stopping.wait(self._random.uniform(1, 8))
                except Refused as refusal:
                    assert refusal.status == 404, refusal  # It was deleted in between.
                    continue
                self.events += len(follower.events)
                self.followed += 1
        except (OSError, http.client.HTTPException, AssertionError) as error:
            self.failure = error


class Operator(threading.Thread):
    """Takes a backup of SQLite, or an export of PostgreSQL, every now and then."""

    def __init__(self, store, directory, interval, stopping):
        super().__init__(daemon=True)
        self._store, self._target, self._interval = store, directory / "copy", interval
        self._stopping = stopping
        self.done, self.failure = 0, None

    def run(self):
        try:
            while not self._stopping.wait(self._interval):
                self.copy()
                self.done += 1
        except (OSError, AssertionError, subprocess.TimeoutExpired) as error:
            self.failure = error

    def copy(self):
        if self._store.startswith("sqlite:"):
            milepost("backup", "--store", self._store, self._target)
        else:
            milepost("export", "--store", self._store, "--output", self._target)
        assert self._target.stat().st_size > 0
        for left in self._target.parent.glob(f"{self._target.name}*"):
            left.unlink()


def milepost(*arguments):
    """A command that has to succeed."""
    command = [str(binary_path()), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=600, check=False)
    assert ended.returncode == 0, f"milepost {arguments[0]} ended with {ended.returncode}: {ended.stderr}"
    return ended.stdout
