"""Clients that write as fast as they are answered, and remember exactly what they were told is stored."""

import base64
import copy
import http.client
import json
import random
import socket
import threading
import time

JSON_HEADERS = {"content-type": "application/json"}
LARGEST_BLOB = 8192
TIMEOUT = 30


class Unanswered(Exception):
    """The connection ended before a byte of the answer: the change may be stored or not."""


class Client:
    """POSTs over one kept-alive connection."""

    def __init__(self, port, timeout=TIMEOUT):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.headers = {}

    def post(self, path, body):
        """The answer's status and value; raises Unanswered, or whatever a half-sent answer makes http.client raise."""
        try:
            if self._connection.sock is None:
                self._connection.connect()
                self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.request("POST", f"/checkpoints/{path}", json.dumps(body), JSON_HEADERS)
            response = self._connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            self._connection.close()
            raise Unanswered from error
        data = response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, json.loads(data) if data else None

    def close(self):
        self._connection.close()


class Model:
    """What one thread must hold: its checkpoints by id, each with its document, metadata, parent, blobs and writes."""

    def __init__(self):
        self.checkpoints = {}

    def put(self, body):
        self.checkpoints[body["checkpoint_id"]] = {
            "parent": body["parent_checkpoint_id"],
            "document": body["checkpoint"],
            "metadata": body["metadata"],
            "blobs": {(b["channel"], b["version"]): (b["type"], b["blob"]) for b in body["blobs"]},
            "writes": {},
        }

    def put_writes(self, body):
        writes = self.checkpoints[body["checkpoint_id"]]["writes"]
        for write in body["writes"]:
            key = (write["task_id"], write["idx"])
            if body["upsert"] or key not in writes:
                writes[key] = (write["channel"], write["type"], write["blob"])

    def with_change(self, path, body):
        """The same after one more request."""
        changed = Model()
        changed.checkpoints = copy.deepcopy(self.checkpoints)
        changed.apply(path, body)
        return changed

    def apply(self, path, body):
        (self.put if path == "put" else self.put_writes)(body)


class Writer(threading.Thread):
    """Writes to one LangGraph thread until told to stop or cut off."""

    def __init__(self, port, thread_id, seed, stopping):
        super().__init__(name=thread_id, daemon=True)
        self.thread_id = thread_id
        self.model = Model()
        self.in_doubt = None
        self.acknowledged = 0
        self.failure = None
        self._client = Client(port)
        self._random = random.Random(seed)
        self._stopping = stopping
        self._sequence = 0

    def run(self):
        try:
            while not self._stopping.is_set():
                self.send(*self.next_request())
        except Unanswered:
            pass
        except Exception as error:  # Kept for the main thread, which fails the test with it.
            self.failure = error
        finally:
            self._client.close()

    def send(self, path, body):
        """Sends one change and takes it into the model once it is acknowledged."""
        self.in_doubt = (path, body)
        status, _ = self._client.post(path, body)
        assert status == (200 if path == "put" else 204), f"{path} was answered with {status}"
        self.model.apply(path, body)
        self.acknowledged += 1
        self.in_doubt = None

    def next_request(self):
        """A put now and then; else new writes, or the same three writes again with other bytes."""
        self._sequence += 1
        choice = self._random.random()
        if not self.model.checkpoints or choice < 0.3:
            return "put", self.a_put()
        return "put-writes", self.an_upsert() if choice < 0.5 else self.new_writes()

    def a_put(self):
        ids = sorted(self.model.checkpoints)
        version = f"{self._sequence:08d}"
        channels = [f"channel-{number}" for number in range(self._random.randint(0, 3))]
        return {
            "thread_id": self.thread_id,
            "checkpoint_id": version,
            "parent_checkpoint_id": ids[-1] if ids else None,
            "checkpoint": {"id": version, "channel_versions": dict.fromkeys(channels, version)},
            "metadata": {"step": self._sequence},
            "blobs": [{"channel": name, "version": version, "type": "bytes", "blob": self.blob()} for name in channels],
        }

    def new_writes(self):
        count = self._random.randint(1, 6)
        return self.writes([self.a_write(f"task-{self._sequence}", number) for number in range(count)], upsert=False)

    def an_upsert(self):
        return self.writes([self.a_write("again", -1 - number) for number in range(3)], upsert=True)

    def writes(self, writes, upsert):
        checkpoint_id = self._random.choice(sorted(self.model.checkpoints)[-3:])
        return {"thread_id": self.thread_id, "checkpoint_id": checkpoint_id, "writes": writes, "upsert": upsert}

    def a_write(self, task_id, idx):
        return {
            "task_id": task_id,
            "idx": idx,
            "channel": f"channel-{self._sequence}",
            "type": "bytes",
            "blob": self.blob(),
        }

    def blob(self):
        return base64.b64encode(self._random.randbytes(self._random.randint(0, LARGEST_BLOB))).decode()


class Timed:
    """Goes before a writer's class: the writer knows how long each of its requests took, in seconds."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.waits = []

    def send(self, path, body):
        began = time.monotonic()
        super().send(path, body)
        self.waits.append(time.monotonic() - began)


class Load:
    """Several writers at once, each on a thread of its own."""

    def __init__(self, port, name, seed, clients=8, writer=Writer):
        self._stopping = threading.Event()
        self.writers = [
            writer(port, f"{name}-{number}", f"{seed}-{number}", self._stopping) for number in range(clients)
        ]

    def __enter__(self):
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *_):
        """Waits for every writer, and fails with the first failure of one."""
        self._stopping.set()
        for writer in self.writers:
            writer.join(TIMEOUT)
        for writer in self.writers:
            assert not writer.is_alive(), f"{writer.name} still waits for an answer"
            if writer.failure is not None:
                raise writer.failure

    @property
    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.writers)


def read_thread(client, thread_id):
    """What the server has of a thread, in the shape of a model."""
    found = {}
    before = None
    while True:
        page = {"thread_id": thread_id, "limit": 1000, "before_checkpoint_id": before}
        status, items = client.post("list", page)
        assert status == 200
        if not items:
            return found
        for item in items:
            found[item["checkpoint_id"]] = read_checkpoint(client, thread_id, item)
        before = items[-1]["checkpoint_id"]


def read_checkpoint(client, thread_id, item):
    """One checkpoint with its blobs and writes; list and get-tuple must agree on the rest."""
    status, answer = client.post("get-tuple", {"thread_id": thread_id, "checkpoint_id": item["checkpoint_id"]})
    assert status == 200
    assert {name: answer[name] for name in item} == item
    return {
        "parent": answer["parent_checkpoint_id"],
        "document": answer["checkpoint"],
        "metadata": answer["metadata"],
        "blobs": {(b["channel"], b["version"]): (b["type"], b["blob"]) for b in answer["blobs"]},
        "writes": {(w["task_id"], w["idx"]): (w["channel"], w["type"], w["blob"]) for w in answer["pending_writes"]},
    }


def settle(client, writer):
    """Checks a writer's thread against the server, and settles what was in doubt when the connection ended.

    Every acknowledged change must be there, byte for byte, and nothing else but the one request that got no answer:
    all of it, or nothing of it.
    """
    found = read_thread(client, writer.thread_id)
    possible = [writer.model]
    if writer.in_doubt is not None:
        possible.append(writer.model.with_change(*writer.in_doubt))
    for model in possible:
        if found == model.checkpoints:
            writer.model, writer.in_doubt = model, None
            return
    raise AssertionError(f"{writer.thread_id}: {what_differs(writer.model.checkpoints, found)}")


def what_differs(expected, found):
    """Where two threads differ, by name; the bytes would fill the screen."""
    lines = []
    for checkpoint_id in sorted(expected.keys() | found.keys()):
        left, right = expected.get(checkpoint_id), found.get(checkpoint_id)
        if left is None or right is None:
            lines.append(f"checkpoint {checkpoint_id} is {'not acknowledged' if left is None else 'lost'}")
            continue
        for part in left:
            if left[part] == right[part]:
                continue
            if not isinstance(left[part], dict):
                lines.append(f"{part} of {checkpoint_id} differs")
                continue
            names = left[part].keys() | right[part].keys()
            differing = sorted(name for name in names if left[part].get(name) != right[part].get(name))
            lines.append(f"{part} of {checkpoint_id} differ at {differing[:5]}")
    return "; ".join(lines)
