"""Attacks on the HTTP/1.1 server: requests in requests, clients that are slow or many, bodies that are packed."""

import contextlib
import gzip
import json
import os
import resource
import socket
import time
import zlib

import pytest

import wire
from security import Caller, KeysFile, bearer, checkpoint, new_thread, resident_bytes
from server import answers_ok, wait_until

pytestmark = pytest.mark.breaking

HEALTHY_WITHIN = 2.0


@pytest.fixture
def keys(tmp_path):
    return KeysFile(tmp_path / "keys.json")


@pytest.fixture
def keyed(keys, start_server):
    """A server and a key of it; none of these attacks gets as far as a store."""
    key = keys.create()
    server = start_server("memory:", "--api-keys-file", str(keys.path))
    server.key = key
    return server


def is_healthy(server):
    """Answers a good request soon."""
    began = time.monotonic()
    assert answers_ok(f"{server.base_url}/readyz")
    took = time.monotonic() - began
    assert took < HEALTHY_WITHIN, f"{took:.1f} s"
    return True


# MARK: requests in requests

SMUGGLED = "POST /checkpoints/delete-thread HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"


def smuggling(key, thread):
    """Bytes in which one reader sees one request and another sees a second one, which deletes the thread."""
    body = json.dumps({"thread_id": thread})
    inner = f"{SMUGGLED}authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    head = "POST /checkpoints/get-tuple HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {key}\r\n"
    size, none = len(inner), "0\r\n\r\n"
    length = f"content-length: {size}\r\n"
    chunked = "transfer-encoding: chunked\r\n"
    return {
        "TE and CL": f"{head}{length}{chunked}\r\n{none}{inner}",
        "CL and TE": f"{head}{chunked}{length}\r\n{none}{inner}",
        "CL of 0 and TE": f"{head}content-length: 0\r\n{chunked}\r\n{none}{inner}",
        "two CL": f"{head}content-length: 0\r\n{length}\r\n{inner}",
        "two CL swapped": f"{head}{length}content-length: 0\r\n\r\n{inner}",
        "CL list": f"{head}content-length: 0, {size}\r\n\r\n{inner}",
        "CL same list, other": f"{head}content-length: {size}, 0\r\n\r\n{inner}",
        "CL plus": f"{head}content-length: +0\r\n\r\n{inner}",
        "CL minus": f"{head}content-length: -0\r\n\r\n{inner}",
        "CL space": f"{head}content-length: 0 {size}\r\n\r\n{inner}",
        "CL hex": f"{head}content-length: 0x0\r\n\r\n{inner}",
        "CL empty": f"{head}content-length:\r\n\r\n{inner}",
        "CL fraction": f"{head}content-length: 0.0\r\n\r\n{inner}",
        "CL space before colon": f"{head}content-length : 0\r\n{length}\r\n{inner}",
        "CL underscore": f"{head}content_length: {size}\r\n\r\n{inner}",
        "TE folded": f"{head}{length}transfer-encoding:\r\n chunked\r\n\r\n{none}{inner}",
        "CL folded": f"{head}content-length:\r\n 0\r\n\r\n{inner}",
        "x folded into TE": f"{head}x: y\r\n transfer-encoding: chunked\r\n{length}\r\n{none}{inner}",
        "TE space before colon": f"{head}{length}transfer-encoding : chunked\r\n\r\n{none}{inner}",
        "TE tab": f"{head}{length}transfer-encoding:\tchunked\r\n\r\n{none}{inner}",
        "TE vertical tab": f"{head}{length}transfer-encoding: \x0bchunked\r\n\r\n{none}{inner}",
        "TE twice": f"{head}{length}{chunked}transfer-encoding: identity\r\n\r\n{none}{inner}",
        "TE identity, chunked": f"{head}{length}transfer-encoding: identity, chunked\r\n\r\n{none}{inner}",
        "TE chunked, identity": f"{head}transfer-encoding: chunked, identity\r\n\r\n{none}{inner}",
        "TE xchunked": f"{head}{length}transfer-encoding: xchunked\r\n\r\n{none}{inner}",
        "TE quoted": f'{head}{length}transfer-encoding: "chunked"\r\n\r\n{none}{inner}',
        "TE in 1.0": f"{head.replace('1.1', '1.0')}{chunked}connection: keep-alive\r\n\r\n{none}{inner}",
        "bare LF": f"{head}x: y\ntransfer-encoding: chunked\r\n{length}\r\n{none}{inner}",
        "bare LF everywhere": f"{head}{chunked}\r\n{none}".replace("\r\n", "\n") + inner,
        "bare CR": f"{head}x: y\rtransfer-encoding: chunked\r\n{length}\r\n{none}{inner}",
        "NUL": f"{head}x: y\0\r\n{chunked}{length}\r\n{none}{inner}",
        "chunk size plus": f"{head}{chunked}\r\n+0\r\n\r\n{inner}",
        "chunk size hex prefix": f"{head}{chunked}\r\n0x0\r\n\r\n{inner}",
        "chunk size overflow": f"{head}{chunked}\r\n10000000000000000\r\n\r\n{inner}",
        "chunk extension LF": f"{head}{chunked}\r\n0;\nx\r\n\r\n{inner}",
        "chunk without end": f"{head}{chunked}\r\n1\r\nZZ0\r\n\r\n{inner}",
        "trailer CL": f"{head}{chunked}\r\n0\r\n{length}\r\n{inner}",
        "GET with a body": f"GET /healthz HTTP/1.1\r\nhost: h\r\n{length}\r\n{inner}",
    }


@pytest.fixture
def victim(keyed):
    """A thread that is there as long as nothing smuggled it away."""
    thread = new_thread()
    with Caller(keyed, bearer(keyed.key)) as caller:
        caller.do("put", checkpoint(thread))
        yield thread


def statuses_of(server, sent, limit=1.5):
    """Sends the bytes and reads what is answered for a while; gives each status and whether the connection ended."""
    with wire.connect(server.port) as connection:
        connection.settimeout(limit)
        with contextlib.suppress(OSError):
            connection.sendall(sent)
        received, ended = b"", False
        try:
            while not ended:
                part = connection.recv(1 << 16)
                received, ended = received + part, not part
        except TimeoutError:
            pass
        except OSError:
            ended = True
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]], ended


# What stands behind an end that all readers see alike is a request, and no smuggling: the thread may go.
SECOND_REQUEST = {"bare LF everywhere", "trailer CL", "TE in 1.0", "CL underscore"}
# Where the connection ends with the answer, or two lengths are meant, a 400 is the one safe answer.
AMBIGUOUS = {
    "TE and CL", "CL and TE", "CL of 0 and TE", "two CL", "two CL swapped", "CL list", "CL same list, other", "CL plus",
    "CL minus", "CL space", "CL hex", "CL fraction", "TE twice", "TE identity, chunked", "TE folded", "TE tab",
    "TE space before colon", "CL space before colon", "chunk size plus", "chunk size hex prefix", "chunk without end",
    "NUL",
}


def test_no_request_hides_in_another(keyed, victim):
    """None of these deletes the thread, and what two readers would understand differently ends the connection."""
    with Caller(keyed, bearer(keyed.key)) as caller:
        for name, text in smuggling(keyed.key, victim).items():
            statuses, ended = statuses_of(keyed, text.encode("latin-1"), 0.6)
            there = caller.call("get-tuple", {"thread_id": victim}).json() is not None
            if name in AMBIGUOUS:
                assert statuses[1:] == [] and all(400 <= status < 502 for status in statuses), (name, statuses)
                assert ended, f"{name}: the connection goes on"
            assert there or name in SECOND_REQUEST, f"{name}: {statuses}"
            if not there:
                caller.do("put", checkpoint(victim))
    assert is_healthy(keyed)


def test_the_key_of_one_request_is_not_that_of_the_next(keyed):
    """Requests in one connection are authenticated one by one."""
    body = b'{"thread_id":"t"}'
    plain = {"host": "h", "content-type": "application/json", "content-length": len(body)}
    good = wire.head("POST", "/checkpoints/get-tuple", {**plain, "x-api-key": keyed.key}) + body
    bare = wire.head("POST", "/checkpoints/get-tuple", plain) + body
    with wire.connect(keyed.port) as connection:
        connection.sendall(good + bare + good + bare + bare + good)
        answers = wire.Answers(connection)
        assert [answers.next().status for _ in range(6)] == [200, 401, 200, 401, 401, 200]


@pytest.mark.parametrize("host", [[], ["a", "b"], ["a b"], ["a/b"], ["a@b"], [""]], ids=str)
def test_hosts(keyed, host):
    """None of them is a 5xx or gets something that the request does not ask for."""
    lines = "".join(f"host: {name}\r\n" for name in host)
    statuses, _ = statuses_of(keyed, f"GET /threads HTTP/1.1\r\n{lines}connection: close\r\n\r\n".encode())
    assert all(400 <= status < 500 for status in statuses), statuses


# MARK: packed bodies


def bomb(megabytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "x-gzip", "identity, gzip"])
def test_a_packed_body_is_refused(keyed, coding):
    """Neither unpacked nor taken for something else."""
    thread = new_thread()
    packed = gzip.compress(json.dumps(checkpoint(thread)).encode())
    before = keyed.peak_resident_bytes()
    for body in (packed, bomb(200), json.dumps(checkpoint(thread)).encode()):
        answer = wire.post(keyed.port, "/checkpoints/put", body, content_encoding=coding, x_api_key=keyed.key)
        assert 400 <= answer.status < 500, answer.status
    assert keyed.peak_resident_bytes() - before < 32 << 20
    found = wire.post(keyed.port, "/checkpoints/get-tuple", {"thread_id": thread}, x_api_key=keyed.key)
    assert found.json() is None


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, gzip", "gzip"])
def test_a_packed_transfer_is_refused(keyed, coding):
    head = {"host": "h", "content-type": "application/json", "transfer-encoding": coding, "x-api-key": keyed.key}
    packed = gzip.compress(json.dumps(checkpoint("t")).encode())
    answer = wire.exchange(keyed.port, wire.head("POST", "/checkpoints/put", head) + wire.chunked(packed))
    assert answer.status == 0 or 400 <= answer.status <= 501, answer.status


# MARK: slow and many clients


class Trickle:
    """A client that sends one byte every now and then, and sees when it is hung up on."""

    def __init__(self, port, begin, byte):
        self._connection = wire.connect(port)
        self._connection.sendall(begin)
        self._byte = byte
        self.began = time.monotonic()
        self.ended = None

    def go_on(self):
        """Sends another byte; gives whether it was hung up on."""
        if self.ended is None:
            self._connection.setblocking(False)
            try:
                if self._byte:
                    self._connection.send(self._byte)
                while self._connection.recv(1 << 16):
                    pass
                self.ended = time.monotonic() - self.began
            except BlockingIOError:
                pass
            except OSError:
                self.ended = time.monotonic() - self.began
        return self.ended is not None

    def close(self):
        self._connection.close()


def slow_clients(key):
    """The beginnings of requests that never come to their end, and what is sent of them bit by bit."""
    head = f"POST /checkpoints/put HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\nx-api-key: {key}\r\n"
    return {
        "head": (head.encode() + b"x-a: ", b"a"),
        "request line": (b"POST /", b"a"),
        "many headers": (head.encode(), b"a:b\r\n"),
        "body": (head.encode() + b"content-length: 1000000\r\n\r\n", b" "),
        "chunks": (head.encode() + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        "body without key": (head.replace(key, "x").encode() + b"content-length: 1000000\r\n\r\n", b" "),
        "chunk extension": (head.encode() + b"transfer-encoding: chunked\r\n\r\n1;", b"a"),
        "blank lines": (b"\r\n", b"\r\n"),
        "silent": (b"", b""),
    }


SLOW_LIMIT = 100


def test_slow_clients_are_hung_up_on(start_server, keys):
    """Each trickles for as long as it likes, and has to like it for less than a minute and a half."""
    key = keys.create()
    server = start_server("memory:", "--api-keys-file", str(keys.path))
    clients = {name: [Trickle(server.port, *how) for _ in range(20)] for name, how in slow_clients(key).items()}
    every = [client for group in clients.values() for client in group]
    before, deadline = resident_bytes(server), time.monotonic() + SLOW_LIMIT
    while not all([client.go_on() for client in every]) and time.monotonic() < deadline:
        assert is_healthy(server)
        time.sleep(1)
    endless = {name for name, group in clients.items() if any(client.ended is None for client in group)}
    for client in every:
        client.close()
    assert endless == set()
    assert resident_bytes(server) - before < 64 << 20


def test_a_client_that_does_not_read_is_hung_up_on(start_server, keys):
    """It asks for much, again and again, and takes none of it."""
    key = keys.create()
    server = start_server("memory:", "--api-keys-file", str(keys.path))
    with Caller(server, bearer(key)) as caller:
        caller.do("put", checkpoint("t", metadata={"text": "x" * (4 << 20)}))
    before = resident_bytes(server)
    body = b'{"thread_id":"t"}'
    head = {"host": "h", "content-type": "application/json", "content-length": len(body), "x-api-key": key}
    request = wire.head("POST", "/checkpoints/get-tuple", head) + body
    connections = [wire.connect(server.port) for _ in range(20)]
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request * 50)
    # An answer a connection may wait to be read; the other 980 have to wait for their turn.
    time.sleep(3)
    assert is_healthy(server)
    assert resident_bytes(server) - before < 500 << 20
    for connection in connections:
        connection.close()


IDLE = 10_000


def raise_file_limit():
    """This process, and the servers it starts, may have so many connections open; fails where that is not allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 1000
    assert hard == resource.RLIM_INFINITY or hard >= wanted, (
        f"this test opens {IDLE} connections, and may open {hard} files: raise the hard limit (ulimit -Hn) to {wanted}"
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))


@contextlib.contextmanager
def idle_connections(port, number):
    """So many connections, each from an address of loopback that can have that many ports."""
    opened = []
    try:
        for count in range(number):
            connection = socket.socket()
            connection.bind((f"127.0.0.{1 + count % 4}", 0))
            connection.settimeout(20)
            connection.connect(("127.0.0.1", port))
            opened.append(connection)
        yield opened
    finally:
        for connection in opened:
            connection.close()


@pytest.mark.parametrize("sent", [b"", b"GET /threads HTTP/1.1\r\nx-a: "], ids=["silent", "half a request"])
def test_ten_thousand_idle_connections(start_server, keys, sent):
    """Somebody else is answered as ever, on a connection it had and on new ones, and memory stays in bounds."""
    raise_file_limit()
    key = keys.create()
    server = start_server("memory:", "--api-keys-file", str(keys.path))
    before = resident_bytes(server)
    with Caller(server, bearer(key)) as caller:
        caller.do("put", checkpoint("t"))
        with idle_connections(server.port, IDLE) as opened:
            for connection in opened if sent else ():
                with contextlib.suppress(OSError):
                    connection.sendall(sent)
            for _ in range(20):
                began = time.monotonic()
                assert caller.do("get-tuple", {"thread_id": "t"})["checkpoint_id"] == "c1"
                assert time.monotonic() - began < HEALTHY_WITHIN
                assert is_healthy(server)
            grown = resident_bytes(server) - before
            assert grown < IDLE * 64 * 1024, f"{grown >> 20} MiB for {IDLE} connections"
        wait_until(lambda: open_sockets(server) < 100, 30, "the connections are gone")
        assert caller.do("get-tuple", {"thread_id": "t"})["checkpoint_id"] == "c1"


def open_sockets(server):
    """Files that the process has open."""
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def test_connections_that_come_and_go(start_server, keys):
    """Thousands that are closed at once, politely or by a reset, leave nothing behind."""
    keys.create()
    server = start_server("memory:", "--api-keys-file", str(keys.path))
    linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])
    for number in range(5000):
        connection = wire.connect(server.port)
        if number % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if number % 3:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n")
        connection.close()
    assert is_healthy(server)
    wait_until(lambda: open_sockets(server) < 60, 10, "nothing is left open")
