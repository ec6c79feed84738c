"""Clients that do this and that to a few threads, over several servers, and write down what they were answered."""

import base64
import random
import threading
import time

import load
from linearizability import Operation, answer_of

CHECKPOINTS = ("1", "2", "3")
TASKS = ("t1", "t2")


class Clerk(threading.Thread):
    """One client with a connection to each server, which takes one of them at random for every request."""

    def __init__(self, name, ports, threads, requests, seed):
        super().__init__(name=name, daemon=True)
        self.history = []
        self.failure = None
        self._clients = {port: load.Client(port) for port in ports}
        self._threads = threads
        self._requests = requests
        self._random = random.Random(f"{seed}-{name}")
        self._count = 0

    def run(self):
        try:
            for _ in range(self._requests):
                self.send(*self.request())
        except Exception as error:  # Kept for the main thread, which fails the test with it.
            self.failure = error
        finally:
            for client in self._clients.values():
                client.close()

    def send(self, call, body):
        port = self._random.choice(sorted(self._clients))
        client = self._clients[port]
        invoked = time.monotonic()
        try:
            status, value = client.post(call, body)
        except load.Unanswered:
            status = 503
        returned = time.monotonic()
        if status == 503:
            self.history.append(Operation(call, body, invoked, client=self.name))
            return
        assert status in (200, 204), f"{call} was answered with {status}: {value}"
        self.history.append(Operation(call, body, invoked, returned, answer_of(call, value), f"{self.name}@{port}"))

    def request(self):
        """A request to one of the threads; no two write the same bytes."""
        self._count += 1
        thread = {"thread_id": self._random.choice(self._threads)}
        kind = self._random.random()
        if kind < 0.25:
            return "put", {**thread, **self.a_put()}
        if kind < 0.55:
            return "put-writes", {**thread, **self.writes()}
        if kind < 0.6:
            return "delete-thread", thread
        if kind < 0.75:
            return "list", thread
        wanted = self._random.choice((None, *CHECKPOINTS))
        return "get-tuple", {**thread, "checkpoint_id": wanted} if wanted else thread

    def a_put(self):
        blobs = [
            {"channel": channel, "version": self._random.choice("12"), "type": "bytes", "blob": self.bytes()}
            for channel in self._random.sample("ab", self._random.randint(0, 2))
        ]
        return {
            "checkpoint_id": self._random.choice(CHECKPOINTS),
            "parent_checkpoint_id": self._random.choice((None, "0", "1")),
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


def record(ports, name, seed, clients=8, threads=3, requests=40):
    """Lets so many clients send so many requests each, and gives the history of each thread."""
    names = [f"{name}-{number}" for number in range(threads)]
    clerks = [Clerk(f"client-{number}", ports, names, requests, f"{seed}-{name}") for number in range(clients)]
    for clerk in clerks:
        clerk.start()
    for clerk in clerks:
        clerk.join()
        if clerk.failure is not None:
            raise clerk.failure
    everything = [operation for clerk in clerks for operation in clerk.history]
    return [[o for o in everything if o.body["thread_id"] == thread] for thread in names]
