"""Clients that make every kind of change to threads, and remember exactly what they were told is done.

Each has threads of its own: one, and the copies it makes of it. Channels grow, and checkpoints share the versions of
those that did not change, so that what a prune or a deletion takes away is part of what stays.
"""

import base64
import json
import random
import statistics
import time
import urllib.request
from collections import Counter

import load
from linearizability import Operation, State, answer_of
from server import wait_until
from test_startup import milepost

CHANNELS = ("messages", "plan", "notes")
LARGEST_VALUE = 6000
COPIES = 2
# So many crashes happen to the same threads; then there are new ones, and the old are read again at the end.
CYCLES_OF_A_THREAD = 5
# So many are one test, so that none takes long; each has a store of its own.
CYCLES_OF_A_TEST = 25
ALL_PARTS = ["blobs", "pending_writes"]


def after(threads, path, body):
    """What the threads, by name, are after one more request."""
    if path == "copy-thread":
        return {**threads, body["target_thread_id"]: threads[body["source_thread_id"]]}
    name = body["thread_ids"][0] if path == "prune" else body["thread_id"]
    state, _ = threads.get(name, State()).after(Operation(path, body, 0))
    return {**threads, name: state}


def view(state):
    """All that can be read of a thread, in the shape of `read`."""
    return [state.get_tuple({"checkpoint_id": key})[1] for key in sorted(state.checkpoints, reverse=True)]


class MixedWriter(load.Writer):
    """Changes its threads until told to stop, cut off, or told that the outcome is unknown.

    `before` is the writer of an earlier load, with whose threads it goes on.
    """

    def __init__(self, port, thread_id, seed, stopping, before=None):
        super().__init__(port, thread_id, seed, stopping)
        self.threads = before.threads if before else {}
        self._sequence = before._sequence if before else 0
        self.calls = Counter()
        self.refused = 0

    def send(self, path, body):
        self.in_doubt = (path, body)
        status, answer = self._client.post(path, body)
        if status == 503:
            self.refused += 1
            raise load.Unanswered
        assert status == (200 if path in ("put", "prune") else 204), f"{path} was answered with {status}: {answer}"
        self.threads = after(self.threads, path, body)
        self.acknowledged += 1
        self.calls[path] += 1
        self.in_doubt = None

    def next_request(self):
        self._sequence += 1
        alive = sorted(name for name, state in self.threads.items() if state.checkpoints)
        if not alive:
            return "put", self.a_put(self.thread_id, None)
        name = self._random.choice(alive)
        choice = self._random.random()
        if choice < 0.35:
            return "put", self.a_put(name, self.threads[name])
        if choice < 0.75:
            return "put-writes", self.some_writes(name)
        if choice < 0.85:
            strategy = {"strategy": "delete"} if self._random.random() < 0.1 else {}
            return "prune", {"thread_ids": [name], "keep_last": self._random.randint(1, 3), **strategy}
        free = sorted({f"{self.thread_id}-copy-{number}" for number in range(COPIES)}.difference(alive))
        if choice < 0.95 and free:
            return "copy-thread", {"source_thread_id": name, "target_thread_id": free[0]}
        return "delete-thread", {"thread_id": name}

    def a_put(self, name, state):
        """A new checkpoint after the newest one, or, now and then, the newest one again with other bytes."""
        head = max(state.checkpoints) if state else None
        versions = json.loads(state.checkpoints[head][1])["channel_versions"] if head else {}
        version = f"{self._sequence:032}.0"
        changed = self._random.sample(CHANNELS, self._random.randint(0, len(CHANNELS)))
        blobs = [
            {"channel": channel, "version": version, "type": "bytes", "blob": self.grown(state, channel, versions)}
            for channel in changed
        ]
        is_again = head is not None and self._random.random() < 0.15
        checkpoint_id = head if is_again else f"1f0c0000-0000-6000-8000-{self._sequence:012x}"
        if is_again and versions:
            # The first bytes of a version stay.
            channel = min(versions)
            blobs.append({"channel": channel, "version": versions[channel], "type": "bytes", "blob": self.blob()})
        return {
            "thread_id": name,
            "checkpoint_id": checkpoint_id,
            "parent_checkpoint_id": head,
            "checkpoint": {
                "v": 4,
                "id": checkpoint_id,
                "by": self._sequence,
                "channel_versions": {**versions, **dict.fromkeys(changed, version)},
            },
            "metadata": {"step": self._sequence},
            "blobs": blobs,
        }

    def grown(self, state, channel, versions):
        """The channel's value with something after it, so that the store keeps a chain; and small again."""
        _, old = state.blobs[channel, versions[channel]] if channel in versions else (None, "")
        more = self._random.randbytes(self._random.randint(0, 300))
        value = base64.b64decode(old) + more
        return base64.b64encode(value if len(value) < LARGEST_VALUE else more).decode()

    def some_writes(self, name):
        """To one of the newest checkpoints: new ones, or those that may be there already, kept or replaced."""
        checkpoint_id = self._random.choice(sorted(self.threads[name].checkpoints)[-3:])
        task = f"task-{self._sequence}" if self._random.random() < 0.5 else "again"
        writes = [self.a_write(task, number) for number in range(self._random.randint(1, 4))]
        upsert = self._random.random() < 0.5
        return {"thread_id": name, "checkpoint_id": checkpoint_id, "writes": writes, "upsert": upsert}

    def blob(self):
        return base64.b64encode(self._random.randbytes(self._random.randint(0, 300))).decode()


# MARK: what the server has


def read(client, name):
    """All tuples of a thread, newest first, a page a request."""
    found, before = [], None
    while True:
        page = {"thread_id": name, "limit": 1000, "include": ALL_PARTS, "before_checkpoint_id": before}
        status, items = client.post("list", page)
        assert status == 200
        if not items:
            return found
        found += [answer_of("get-tuple", item) for item in items]
        before = items[-1]["checkpoint_id"]


def read_each(client, name):
    """The same, by a get-tuple for each that `list` names."""
    status, items = client.post("list", {"thread_id": name, "limit": 1000})
    assert status == 200 and len(items) < 1000
    found = []
    for item in items:
        status, answer = client.post("get-tuple", {"thread_id": name, "checkpoint_id": item["checkpoint_id"]})
        assert status == 200
        found.append(answer_of("get-tuple", answer))
    return found


def settle(client, writer, read=read):
    """Checks a writer's threads against the server, and settles what was in doubt.

    Every acknowledged change must be there, byte for byte, and nothing else but the one request without an answer: all
    of it, or nothing of it.
    """
    possible = [writer.threads]
    if writer.in_doubt is not None:
        possible.append(after(writer.threads, *writer.in_doubt))
    found = {name: read(client, name) for name in possible[-1]}
    for threads in possible:
        if all(view(threads.get(name, State())) == found[name] for name in found):
            writer.threads, writer.in_doubt = threads, None
            return
    differing = [what_differs(name, view(possible[0].get(name, State())), found[name]) for name in found]
    doubt = "" if writer.in_doubt is None else f"; in doubt: {writer.in_doubt[0]}"
    raise AssertionError(f"{'; '.join(filter(None, differing))}{doubt}")


def what_differs(name, expected, found):
    """Where two views of a thread differ, by name; the bytes would fill the screen."""
    left, right = ({answer[0]: answer for answer in answers} for answers in (expected, found))
    lines = []
    for key in sorted(left.keys() | right.keys()):
        if key not in left or key not in right:
            lines.append(f"checkpoint {key} is {'not acknowledged' if key not in left else 'lost'}")
        elif left[key] != right[key]:
            fields = ("checkpoint_id", "parent", "document", "metadata", "blobs", "writes")
            parts = [part for part, a, b in zip(fields, left[key], right[key], strict=True) if a != b]
            lines.append(f"{', '.join(parts)} of {key} differ")
    return f"{name}: {', '.join(lines)}" if lines else ""


def threads_there(port):
    """The ids of all threads of which the server has anything."""
    found, cursor = set(), ""
    while cursor is not None:
        after_last = f"&after={cursor}" if cursor else ""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/threads?limit=1000{after_last}") as answer:
            found |= {thread["thread_id"] for thread in json.load(answer)["threads"]}
            cursor = answer.headers.get("x-next-cursor")
    return found


# MARK: crashes


def parts(cycles):
    """The first cycle of each test that so many are divided among, and how many it makes."""
    return [(first, min(cycles - first, CYCLES_OF_A_TEST)) for first in range(0, cycles, CYCLES_OF_A_TEST)]


def kill_server(server, cycles, seed, limit):
    """SIGKILLs a server under load and starts it again so often; gives what came of it."""
    crashes = Crashes(server.port, server.store, seed, limit)
    crashes.run(cycles, server.kill, lambda: server.start().starting_took)
    assert crashes.counts["refused"] == 0
    return crashes


class Crashes:
    """Crashes under load, over and over: `crash()` while the clients write, `recover()` once they have ended.

    `recover` gives how long it took, which may be no longer than `limit`.

    After each one what the clients were told is settled with what the server has; at the end that of all of them is
    read again, nothing else may be there, and the store is verified. `counts` says how much was done.
    """

    def __init__(self, port, store, seed, limit):
        self.counts = Counter()
        self.recoveries = []
        self._limit = limit
        self._port = port
        self._store = store
        self._seed = seed
        self._moments = random.Random(seed)
        self._writers = {}

    def run(self, cycles, crash, recover):
        for cycle in range(cycles):
            name, seed = f"crash-{cycle // CYCLES_OF_A_THREAD}", f"{self._seed}-{cycle}"
            with load.Load(self._port, name, seed, writer=self._writer) as running:
                wait_until(lambda running=running: running.acknowledged >= 8, load.TIMEOUT, "some changes are stored")
                time.sleep(self._moments.uniform(0, 0.25))  # Not to wait for something: the moment of the crash.
                crash()
            self.recoveries.append(recover())
            assert self.recoveries[-1] < self._limit
            self._count(running.writers)
            self._settle(running.writers, read)
        self._settle(self._writers.values(), read_each)
        self._check_what_is_there()
        ended = milepost("verify", "--store", self._store)
        assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"

    def report(self, figures, title):
        """Adds what was done to the figures that are shown at the end."""
        half, all_ = statistics.median(self.recoveries), max(self.recoveries)
        figures(title, self.counts, {"s for half of the recoveries": half, "s for the slowest": all_})

    def _writer(self, port, name, seed, stopping):
        self._writers[name] = MixedWriter(port, name, seed, stopping, before=self._writers.get(name))
        return self._writers[name]

    def _count(self, writers):
        self.counts["crashes"] += 1
        for writer in writers:
            self.counts += writer.calls
            self.counts["in doubt"] += writer.in_doubt is not None
            self.counts["refused"] += writer.refused

    def _settle(self, writers, read):
        client = load.Client(self._port)
        for writer in writers:
            settle(client, writer, read)
        client.close()

    def _check_what_is_there(self):
        threads = [item for writer in self._writers.values() for item in writer.threads.items()]
        known = {name for name, state in threads if any(state.parts())}
        there = threads_there(self._port)
        assert there == known, f"there and not known: {there - known}; known and not there: {known - there}"
