"""Who follows a thread and who works on it: a client of GET /threads/{id}/events: reads a stream of server-sent events by hand, in a thread of its own."""

import http.client
import json
import threading
from dataclasses import dataclass
from urllib.parse import quote

import load
from server import wait_until

LIMIT = 20.0


@dataclass(frozen=True)
class Event:
    name: str
    data: dict
    id: str | None

    @property
    def place(self):
        return self.data["checkpoint_ns"], self.data["checkpoint_id"]


class Refused(Exception):
    def __init__(self, status, body, headers):
        super().__init__(f"{status} {body!r}")
        self.status, self.body, self.headers = status, body, headers


class Follower:
    """Follows a thread until it is closed or the server ends the stream."""

    def __init__(self, server, thread, last_event_id=None, headers=None, context=None, wait=True):
        kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
        options = {"context": context} if context else {}
        self._connection = kind("127.0.0.1", server.port, timeout=LIMIT * 2, **options)
        sent = dict(headers or {})
        if last_event_id is not None:
            sent["last-event-id"] = last_event_id
        self._connection.request("GET", f"/threads/{quote(thread, safe='')}/events", headers=sent)
        self._socket = self._connection.sock
        self._response = self._connection.getresponse()
        self.headers = {name.lower(): value for name, value in self._response.getheaders()}
        if self._response.status != 200:
            raise Refused(self._response.status, self._response.read(), self.headers)
        self.events, self.comments, self.retry, self.last_id = [], 0, None, last_event_id
        self.has_ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if wait:
            self.wait_for(lambda events: any(event.name == "thread" for event in events), "the stream begins")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self):
        fields = {}
        try:
            while line := self._response.readline():
                line = line.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    assert name not in fields, f"{name} twice in one event"
                    fields[name] = value
                else:
                    self._take(fields)
                    fields = {}
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass  # It was closed, here or there.
        self.has_ended.set()

    def _take(self, fields):
        if "retry" in fields:
            self.retry = int(fields["retry"])
        if "event" in fields:
            self.last_id = fields.get("id", self.last_id)
            self.events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id")))

    def close(self):
        """Goes away without a word, as a program that ends."""
        try:
            self._socket.shutdown(2)
        except OSError:
            pass  # The server was first.
        self._response.close()
        self._connection.close()
        self._thread.join(LIMIT)

    def wait_for(self, condition, what, limit=LIMIT):
        return wait_until(lambda: condition(list(self.events)), limit, f"{what}; came: {self.told()}")

    def told(self, *names):
        """What came, in short: names with ids."""
        kept = [event for event in list(self.events) if not names or event.name in names]
        return [(event.name, event.data.get("checkpoint_id", "")) for event in kept]

    def wait_for_told(self, expected, *names, limit=LIMIT):
        """Waits until exactly this was told of these kinds; fails with what was instead."""
        try:
            wait_until(lambda: len(self.told(*names)) >= len(expected), limit, "events")
        except AssertionError:
            pass  # What follows says it better.
        assert self.told(*names) == expected


class Agent:
    """Puts checkpoints and writes as an agent does, one after the other."""

    def __init__(self, server, thread):
        self.client, self.thread = load.Client(server.port), thread

    def put(self, name, namespace="", **more):
        body = {"thread_id": self.thread, "checkpoint_ns": namespace, "checkpoint_id": name, "checkpoint": {}, **more}
        assert self.client.post("put", body)[0] == 200

    def write(self, name, task="t", channel="c", idx=0, namespace=""):
        write = {"task_id": task, "idx": idx, "channel": channel, "type": "bytes", "blob": "YQ=="}
        body = {"thread_id": self.thread, "checkpoint_ns": namespace, "checkpoint_id": name, "writes": [write]}
        assert self.client.post("put-writes", body)[0] == 204

    def do(self, call, **body):
        status, answer = self.client.post(call, body)
        assert status in (200, 204), answer


def names(*ids):
    return [("checkpoint", name) for name in ids]
