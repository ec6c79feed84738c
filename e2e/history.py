"""Clients that do this and that to a few threads, over several servers, and a recorder of what they were answered."""

import base64
import http.client
import json
import random
import threading
import time
from collections import Counter

import load
from linearizability import READS, thread_of

CHECKPOINTS = ("1", "2", "3")
TASKS = ("t1", "t2")
ALL_PARTS = ["blobs", "pending_writes"]
# A client sends a request of unknown outcome so often again.
RETRIES = 2
# After so many changes of unknown outcome a thread is only read, so that the search for an order stays short.
UNKNOWN_LIMIT = 8


class Recorder:
    """Writes the events of a history to a file, a line of JSON each, as `linearizability.read` takes them.

    `kill_is_final` where a request dies with the server that had it, which is not so with a database behind the server.
    """

    def __init__(self, path, seed="", may_repeat=False, kill_is_final=False):
        self.path = path
        self.unknown = Counter()
        self._lock = threading.Lock()
        self._operations = 0
        self._file = open(path, "w", encoding="utf-8")
        self.write("begin", seed=seed, may_repeat=may_repeat, kill_is_final=kill_is_final)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, event, **fields):
        """Writes an event that happens now."""
        line = json.dumps({"event": event, "time": time.monotonic(), **fields})
        with self._lock:
            self._file.write(line + "\n")

    def invoke(self, **fields):
        """Writes that an operation is about to be sent, and gives its number."""
        with self._lock:
            self._operations += 1
            number = self._operations
        self.write("invoke", operation=number, **fields)
        return number


class Clerk(threading.Thread):
    """One client with a connection to each server, which takes one of them at random for every request.

    It sends so many requests, or until it is told to stop, with a pause of up to `pause` before each, and gives up what
    is not answered within `patience`.
    """

    def __init__(self, name, ports, threads, recorder, seed, requests=None, stopping=None, pause=0.0, patience=None):
        super().__init__(name=name, daemon=True)
        self.failure = None
        self._clients = [load.Client(port, patience or load.TIMEOUT) for port in ports]
        self._threads = threads
        self._recorder = recorder
        self._requests = requests
        self._stopping = stopping or threading.Event()
        self._pause = pause
        self._random = random.Random(f"{seed}-{name}")
        self._count = 0

    def run(self):
        try:
            while not self._stopping.is_set() and self._count != self._requests:
                if self._pause:
                    time.sleep(self._random.uniform(0, self._pause))  # Between requests, as agents have it.
                self.send(*self.request())
        except Exception as error:  # Kept for the main thread, which fails the test with it.
            self.failure = error
        finally:
            for client in self._clients:
                client.close()

    def send(self, call, body):
        """Sends a request; the same one again, to any server, while nobody knows what became of it."""
        for _ in range(1 + RETRIES):
            if self.outcome(call, body) == "ok":
                return
            if self._stopping.wait(self._random.uniform(0, 0.5)) or not self.may_change(thread_of(body)):
                return

    def outcome(self, call, body, server=None):
        """Sends it once and writes down what came of it: `ok`, `fail` when it certainly did not happen, `unknown`."""
        server = self._random.randrange(len(self._clients)) if server is None else server
        client = self._clients[server]
        number = self._recorder.invoke(client=self.name, server=server, call=call, body=body)
        outcome, fields = "unknown", {}
        try:
            status, value = client.post(call, body)
            if status != 503:
                assert status in (200, 204), f"{call} was answered with {status}: {value}"
                outcome, fields = "ok", {"value": value}
        except (load.Unanswered, TimeoutError, http.client.HTTPException, ConnectionError) as error:
            # What comes after an answer that was given up must not be taken for it.
            client.close()
            if isinstance(error.__cause__, ConnectionRefusedError):
                outcome = "fail"
            fields = {"why": repr(error.__cause__ or error)}
        if outcome == "unknown" and call not in READS:
            self._recorder.unknown[thread_of(body)] += 1
        self._recorder.write(outcome, operation=number, **fields)
        return outcome

    def read_all(self):
        """Reads everything of every thread from every server, until each has answered."""
        for server in range(len(self._clients)):
            for name in self._threads:
                while self.outcome("list", {"thread_id": name, "include": ALL_PARTS}, server) != "ok":
                    time.sleep(0.1)
            self._clients[server].close()

    def may_change(self, thread):
        return self._recorder.unknown[thread] < UNKNOWN_LIMIT

    def request(self):
        """A request to one of the threads; no two write the same bytes."""
        self._count += 1
        name = self._random.choice(self._threads)
        thread = {"thread_id": name}
        kind = self._random.random() if self.may_change(name) else 1.0
        if kind < 0.25:
            return "put", {**thread, **self.a_put()}
        if kind < 0.52:
            return "put-writes", {**thread, **self.writes()}
        if kind < 0.56:
            return "delete-thread", thread
        if kind < 0.62:
            return "prune", {"thread_ids": [name], "keep_last": self._random.randint(1, 2)}
        if kind < 0.76:
            with_parts = {"include": ALL_PARTS} if self._random.random() < 0.5 else {}
            return "list", {**thread, **with_parts}
        wanted = self._random.choice((None, *CHECKPOINTS))
        return "get-tuple", {**thread, "checkpoint_id": wanted} if wanted else thread

    def a_put(self):
        blobs = [
            {"channel": channel, "version": self._random.choice("12"), "type": "bytes", "blob": self.bytes()}
            for channel in self._random.sample("ab", self._random.randint(0, 2))
        ]
        return {
            "checkpoint_id": self._random.choice(CHECKPOINTS),
            # Often one that nobody else names: the first put's parent stays, and tells that this was it.
            "parent_checkpoint_id": "1" if self._random.random() < 0.3 else f"0-{self.mark()}",
            "checkpoint": {"by": self.mark(), "channel_versions": {b["channel"]: b["version"] for b in blobs}},
            "metadata": {"by": self.mark()},
            "blobs": blobs,
        }

    def writes(self):
        """Two or three writes in no order, so that requests want the same rows in different orders."""
        keys = self._random.sample([(task, idx) for task in TASKS for idx in (-1, 0, 1)], self._random.randint(2, 3))
        writes = [
            {"task_id": task, "idx": idx, "channel": "c", "type": "bytes", "blob": self.bytes()} for task, idx in keys
        ]
        upsert = self._random.random() < 0.5
        return {"checkpoint_id": self._random.choice(CHECKPOINTS), "writes": writes, "upsert": upsert}

    def mark(self):
        return f"{self.name}-{self._count}"

    def bytes(self):
        return base64.b64encode(self.mark().encode()).decode()


class Clerks:
    """Several of them at once, for as long as the block lasts; at its end each has what it sent answered."""

    def __init__(self, ports, name, recorder, seed, clients=8, threads=3, **how):
        self._stopping = threading.Event()
        names = [f"{name}-{number}" for number in range(threads)]
        self._clerks = [
            Clerk(f"client-{number}", ports, names, recorder, f"{seed}-{name}", stopping=self._stopping, **how)
            for number in range(clients)
        ]

    def __enter__(self):
        for clerk in self._clerks:
            clerk.start()
        return self

    def wait(self):
        """Returns when each has sent as many requests as it had to."""
        for clerk in self._clerks:
            clerk.join()

    def __exit__(self, *_):
        self._stopping.set()
        self.wait()
        for clerk in self._clerks:
            if clerk.failure is not None:
                raise clerk.failure

    def read_all(self):
        """Has one of them read everything, after the block."""
        self._clerks[0].read_all()


def record(path, ports, name, seed, clients=8, threads=3, requests=40, may_repeat=False):
    """Lets so many clients send so many requests each, and writes the history to a file."""
    with (
        Recorder(path, seed, may_repeat) as recorder,
        Clerks(ports, name, recorder, seed, clients, threads, requests=requests) as clerks,
    ):
        clerks.wait()
