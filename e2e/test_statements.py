"""How many statements a call takes over PostgreSQL: as many for a thread of ten steps as for one of two hundred."""

import contextlib
import socket
import struct
import threading

import httpx
import pytest

import postgres
from server import wait_until
from test_prune import fill, post, whole

SHORT, LONG = 10, 200
# Types of messages: https://www.postgresql.org/docs/15/protocol-message-formats.html
EXECUTE, READY = ord("E"), ord("Z")
ASKS_FOR_READY = (ord("S"), ord("Q"))
IDLE = b"I"
# What a connection asks first: for its process' number, and for its settings. One may be opened at any moment.
OPENING = 2


class StatementTap:
    """Stands between Milepost and PostgreSQL and counts the Execute messages of the protocol."""

    def __init__(self, port):
        self._connections = []
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def executed(self):
        """The number of statements once no connection is in a transaction: a read's COMMIT follows the read's answer."""
        wait_until(lambda: all(connection.is_idle for connection in self._connections), 30, "no transaction is open")
        return sum(max(0, connection.executed - OPENING) for connection in self._connections)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(TappedConnection(client, socket.create_connection(("127.0.0.1", self._target))))


class TappedConnection:
    """One connection of Milepost to PostgreSQL, message by message."""

    def __init__(self, client, server):
        self.executed = 0
        self._asked, self._ready = 1, 0  # PostgreSQL is asked once by the start of a connection.
        self._status, self._has_ended = None, False
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pump in (lambda: self._ask(client, server), lambda: self._answer(server, client)):
            threading.Thread(target=pump, daemon=True).start()

    @property
    def is_idle(self):
        """Whether PostgreSQL has answered all it was asked, and no transaction is open, or the connection has ended."""
        return self._has_ended or (self._asked == self._ready and self._status == IDLE)

    def _ask(self, client, server):
        """The first message has no type; every other one has a type and a length, which counts itself."""
        with self._both_end(client, server):
            stream = client.makefile("rb")
            start = stream.read(4)
            server.sendall(start + stream.read(struct.unpack("!I", start)[0] - 4))
            for kind, message in messages(stream):
                self.executed += kind == EXECUTE
                self._asked += kind in ASKS_FOR_READY
                server.sendall(message)

    def _answer(self, server, client):
        with self._both_end(client, server):
            for kind, message in messages(server.makefile("rb")):
                if kind == READY:
                    self._status = message[-1:]
                    self._ready += 1
                client.sendall(message)

    @contextlib.contextmanager
    def _both_end(self, client, server):
        try:
            yield
        except OSError:
            pass  # The other side has hung up.
        finally:
            self._has_ended = True
            client.close()
            server.close()


def messages(stream):
    """The type and the bytes of each message that has a type."""
    while head := stream.read(5):
        yield head[0], head + stream.read(struct.unpack("!I", head[1:])[0] - 4)


@pytest.fixture
def tapped(start_server, postgres_store):
    """A client of a server over PostgreSQL, and the tap between the two."""
    tap = StatementTap(postgres.port_of(postgres_store))
    store = postgres.changed(postgres_store, port=tap.port) + "?sslmode=disable&gssencmode=disable"
    server = start_server(store)
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        for thread, steps in (("short", SHORT), ("long", LONG)):
            fill(client, thread, steps)
        yield client, tap
    server.stop()
    tap.close()


CALLS = {
    "a page of tuples": lambda client, thread, steps: whole(client, thread),
    "a page of tuples with the sends of parents": lambda client, thread, steps: post(
        client,
        "list",
        {"thread_id": thread, "limit": steps, "include": ["blobs", "pending_writes", "task_path", "parent_sends"]},
    ),
    "get-tuple": lambda client, thread, steps: post(client, "get-tuple", {"thread_id": thread}),
    "delta-channel-history": lambda client, thread, steps: post(
        client, "delta-channel-history", {"thread_id": thread, "channels": ["none", "messages"]}
    ),
    "a thread's figures": lambda client, thread, steps: client.get(f"/threads/{thread}").raise_for_status(),
    "copy-thread": lambda client, thread, steps: post(
        client, "copy-thread", {"source_thread_id": thread, "target_thread_id": f"{thread}-copy"}
    ),
    "delete-thread": lambda client, thread, steps: post(client, "delete-thread", {"thread_id": f"{thread}-copy"}),
}


def test_a_long_thread_takes_as_many_statements_as_a_short_one(tapped):
    client, tap = tapped
    for name, call in CALLS.items():
        counts = []
        for thread, steps in (("short", SHORT), ("long", LONG)):
            call(client, thread, steps)  # Prepares what is prepared once, and says BEGIN for the first time.
            if name in ("copy-thread", "delete-thread"):
                post(client, "delete-thread", {"thread_id": f"{thread}-copy"})
            before = tap.executed()
            call(client, thread, steps)
            counts.append(tap.executed() - before)
        # The last page is empty.
        pages = LONG // 100 + 1 if name == "a page of tuples" else 1
        assert counts[1] <= counts[0] * pages, f"{name}: {counts}"
        assert counts[0] <= 12, f"{name}: {counts}"


def test_a_list_of_threads_takes_as_many_statements_for_a_hundred_as_for_one(tapped):
    client, tap = tapped
    counts = []
    for limit in (1, 100):
        if limit == 100:
            for number in range(60):
                post(client, "copy-thread", {"source_thread_id": "short", "target_thread_id": f"t{number}"})
        client.get("/threads", params={"limit": limit}).raise_for_status()
        before = tap.executed()
        assert len(client.get("/threads", params={"limit": limit}).json()["threads"]) == min(limit, 62)
        counts.append(tap.executed() - before)
    assert max(counts) <= 8, counts
