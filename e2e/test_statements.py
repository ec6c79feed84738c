"""How many statements a call takes over PostgreSQL: as many for a thread of ten steps as for one of two hundred."""

import socket
import struct
import threading

import httpx
import pytest

import postgres
from test_prune import fill, post, step_id, whole

SHORT, LONG = 10, 200
EXECUTE = ord("E")


class StatementTap:
    """Stands between Milepost and PostgreSQL and counts the Execute messages of the protocol.

    https://www.postgresql.org/docs/15/protocol-message-formats.html
    """

    def __init__(self, port):
        self.executed = 0
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pump in (lambda: self._count(client, server), lambda: self._copy(server, client)):
                threading.Thread(target=pump, daemon=True).start()

    def _copy(self, source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def _count(self, client, server):
        """The first message has no type; every other one has a type and a length, which counts itself."""
        try:
            stream = client.makefile("rb")
            start = stream.read(4)
            server.sendall(start + stream.read(struct.unpack("!I", start)[0] - 4))
            while head := stream.read(5):
                self.executed += head[0] == EXECUTE
                server.sendall(head + stream.read(struct.unpack("!I", head[1:])[0] - 4))
        except OSError:
            pass
        finally:
            server.close()


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
            before = tap.executed
            call(client, thread, steps)
            # A read's COMMIT follows its answer: the next call on its connection comes after it.
            post(client, "get-tuple", {"thread_id": thread, "checkpoint_id": step_id(0)})
            counts.append(tap.executed - before)
        pages = -(-LONG // 100) if name == "a page of tuples" else 1
        assert counts[1] <= counts[0] * pages + 1, f"{name}: {counts}"
        assert counts[0] <= 12, f"{name}: {counts}"


def test_a_list_of_threads_takes_as_many_statements_for_a_hundred_as_for_one(tapped):
    client, tap = tapped
    counts = []
    for limit in (1, 100):
        if limit == 100:
            for number in range(60):
                post(client, "copy-thread", {"source_thread_id": "short", "target_thread_id": f"t{number}"})
        client.get("/threads", params={"limit": limit}).raise_for_status()
        before = tap.executed  # With the COMMIT of the read before, which follows its answer.
        assert len(client.get("/threads", params={"limit": limit}).json()["threads"]) == min(limit, 62)
        counts.append(tap.executed - before)
    assert max(counts) <= 8, counts
