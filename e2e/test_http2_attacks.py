"""Attacks on HTTP/2: streams that are reset, headers without an end, tables that blow up, requests in requests."""

import json
import struct
import time

import hpack
import httpx
import pytest

import frames
from certificates import Authority
from frames import Connection, fields, frame, literal
from security import Caller, KeysFile, SecureServer, bearer, checkpoint, new_thread, resident_bytes

pytestmark = pytest.mark.breaking

HEALTHY_WITHIN = 2.0
GROWTH_LIMIT = 64 << 20


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A server with TLS and a key; each test finds it healthy and leaves it so."""
    directory = tmp_path_factory.mktemp("http2")
    authority = Authority(directory)
    made, keys = authority.server(), KeysFile(directory / "keys.json")
    key = keys.create()
    running = SecureServer(
        "memory:", directory, authority.context(), "--api-keys-file", str(keys.path),
        "--tls-certificate-file", str(made.certificate_file), "--tls-key-file", str(made.key_file),
    ).start()
    running.key, running.authority = key, authority
    yield running
    running.stop()


@pytest.fixture
def server(attacked):
    before = resident_bytes(attacked)
    yield attacked
    assert attacked.is_running
    is_healthy(attacked)
    assert resident_bytes(attacked) - before < GROWTH_LIMIT


def connect(server, *pairs):
    return Connection(server, server.authority.context(protocols=["h2"]), *pairs)


def is_healthy(server):
    with Caller(server, bearer(server.key), verify=server.authority.context(), http2=True) as caller:
        began = time.monotonic()
        caller.do("get-tuple", {"thread_id": "nobody"})
        took = time.monotonic() - began
    assert took < HEALTHY_WITHIN, f"{took:.1f} s"


def request(server, name, body, *more, path=None, length=None):
    """The fields of a POST with the server's key."""
    size = str(len(body) if length is None else length).encode()
    return fields(
        b"POST", path or f"/checkpoints/{name}".encode(),
        [(b"content-type", b"application/json"), (b"content-length", size), (b"x-api-key", server.key.encode()), *more],
    )


# MARK: too much of what is allowed


def test_rapid_reset(server):
    """A hundred thousand requests, each taken back at once: the connection ends long before, and nothing piles up."""
    block = fields(b"GET", b"/threads", [(b"x-api-key", server.key.encode())])
    sent, began = 0, time.monotonic()
    with connect(server) as connection:
        for batch in range(1000):
            first = 1 + 200 * batch
            pairs = b"".join(
                frame(frames.HEADERS, 5, stream, block) + frame(frames.RST_STREAM, 0, stream, struct.pack(">I", frames.CANCEL))
                for stream in range(first, first + 200, 2)
            )
            if not connection.send(pairs):
                break
            sent += 100
            connection.read(limit=0.001)
            if any(kind == frames.GOAWAY for kind, *_ in connection.frames) or connection.is_ended:
                break
        ended = connection.end()
    assert ended and sent < 100_000, f"{sent} streams in {time.monotonic() - began:.1f} s"


def test_rapid_reset_of_changes(server):
    """Puts that are taken back while they are worked on: each is stored whole or not at all."""
    thread = new_thread()
    with connect(server) as connection:
        for stream in range(1, 400, 2):
            body = json.dumps(checkpoint(thread, f"c{stream:04}")).encode()
            connection.send(
                frame(frames.HEADERS, frames.END_HEADERS, stream, request(server, "put", body))
                + frame(frames.DATA, frames.END_STREAM, stream, body)
                + frame(frames.RST_STREAM, 0, stream, struct.pack(">I", frames.CANCEL))
            )
            if connection.is_ended:
                break
    with Caller(server, bearer(server.key), verify=server.authority.context()) as caller:
        for item in caller.do("list", {"thread_id": thread, "limit": 1000}):
            assert item["checkpoint"] == {"id": item["checkpoint_id"]}


@pytest.mark.parametrize("kind", ["ping", "settings", "empty data", "priority", "window", "empty continuation", "unknown"])
def test_floods(server, kind):
    """Frames that cost the sender nothing and want an answer or a thought."""
    flood = {
        "ping": frame(frames.PING, 0, 0, bytes(8)),
        "settings": frames.settings((4, 65535)),
        "empty data": frame(frames.DATA, 0, 1),
        "priority": frame(frames.PRIORITY, 0, 3, struct.pack(">IB", 5, 1)),
        "window": frame(frames.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)),
        "empty continuation": frame(frames.CONTINUATION, 0, 1),
        "unknown": frame(200, 0, 0, bytes(100)),
    }[kind] * 1000
    with connect(server) as connection:
        flags = 0 if kind == "empty continuation" else frames.END_HEADERS
        connection.send(frame(frames.HEADERS, flags, 1, request(server, "put", b"", length=10)))
        for _ in range(200):
            if not connection.send(flood):
                break
        is_healthy(server)


def test_headers_without_end(server):
    """CONTINUATION after CONTINUATION: the connection ends, and what came is not kept."""
    block = literal(b"x-filler", b"a" * 16_000)
    with connect(server) as connection:
        connection.send(frame(frames.HEADERS, 0, 1, fields(b"GET", b"/threads")))
        sent = 0
        while sent < 10_000 and connection.send(frame(frames.CONTINUATION, 0, 1, block)):
            sent += 1
        assert connection.end() and sent < 1000, f"{sent * 16} KB of headers were taken"


@pytest.mark.parametrize("size", [20_000, 60_000, 1_000_000])
def test_a_header_list_that_is_too_large(server, size):
    more = [(f"x-{number}".encode(), b"a" * 1000) for number in range(size // 1000)]
    block = fields(b"GET", b"/healthz", more)
    parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    with connect(server) as connection:
        connection.send(frame(frames.HEADERS, 1, 1, parts[0]))
        for part in parts[1:-1]:
            connection.send(frame(frames.CONTINUATION, 0, 1, part))
        connection.send(frame(frames.CONTINUATION, frames.END_HEADERS, 1, parts[-1]))
        found = connection.answer_to(1)
        assert found is None or found[0] in (frames.RST_STREAM, frames.GOAWAY) or frames.status(found) == 431


def test_hpack_bomb(server):
    """A field of 4,000 bytes is remembered, and then named by one byte ten thousand times: 40 MB of headers in 14 KB."""
    remembered = fields(b"GET", b"/healthz") + literal(b"x-bomb", b"a" * 3900, frames.NEW_NAME_INDEXED)
    bomb = b"\xbe" * 16_000
    with connect(server) as connection:
        connection.send(frame(frames.HEADERS, 5, 1, remembered))
        connection.answer_to(1)
        for stream in range(3, 103, 2):
            if not connection.send(frame(frames.HEADERS, 5, stream, fields(b"GET", b"/healthz") + bomb)):
                break
        found = connection.answer_to(3)
        assert found is None or found[0] in (frames.RST_STREAM, frames.GOAWAY) or frames.status(found) == 431


def test_a_table_that_is_announced_too_large(server):
    """A size update above what the server allows, and numbers that do not end."""
    for block in (b"\x3f" + b"\xff" * 9 + b"\x7f", b"\x3f\xe1\xff\xff\x07", b"\xff" * 100, b"\x7f" + b"\x80" * 1000 + b"\x01"):
        with connect(server) as connection:
            connection.send(frame(frames.HEADERS, 5, 1, block + fields(b"GET", b"/healthz")))
            assert connection.end()


def test_many_streams_at_once(server):
    """As many as the server said, and then more: the others are refused."""
    body = b'{"thread_id":"t"}'
    with connect(server) as connection:
        for stream in range(1, 2001, 2):
            connection.send(frame(frames.HEADERS, frames.END_HEADERS, stream, request(server, "get-tuple", body)))
        refused = connection.read(lambda found: found[0] in (frames.RST_STREAM, frames.GOAWAY), 5)
        assert refused is not None or connection.is_ended
        is_healthy(server)


def test_a_client_that_takes_nothing(server):
    """A window of no bytes: answers wait, and are bounded by the number of streams."""
    with Caller(server, bearer(server.key), verify=server.authority.context()) as caller:
        caller.do("put", checkpoint("large", metadata={"text": "x" * (1 << 18)}))
    body = b'{"thread_id":"large"}'
    connections = [connect(server, (4, 0)) for _ in range(2)]
    for connection in connections:
        for stream in range(1, 161, 2):
            connection.send(
                frame(frames.HEADERS, frames.END_HEADERS, stream, request(server, "get-tuple", body))
                + frame(frames.DATA, frames.END_STREAM, stream, body)
            )
    time.sleep(1)
    is_healthy(server)
    for connection in connections:
        connection.__exit__()


# MARK: requests in requests


SMUGGLING_FIELDS = {
    "line break in a value": [(b"x-a", b"b\r\ncontent-length: 0\r\n\r\nGET /threads HTTP/1.1")],
    "line feed in a value": [(b"x-a", b"b\nx-api-key: k")],
    "NUL in a value": [(b"x-a", b"b\0c")],
    "line break in a name": [(b"x-a: b\r\nx-c", b"d")],
    "capitals in a name": [(b"X-Api-Key", b"k")],
    "colon in a name": [(b"x:a", b"b")],
    "space in a name": [(b"x a", b"b")],
    "empty name": [(b"", b"b")],
    "connection": [(b"connection", b"keep-alive")],
    "transfer-encoding": [(b"transfer-encoding", b"chunked")],
    "upgrade": [(b"upgrade", b"h2c")],
    "te": [(b"te", b"gzip")],
    "a pseudo field after others": [(b"x-a", b"b"), (b":path", b"/healthz")],
    "an unknown pseudo field": [(b":evil", b"b")],
    "a status": [(b":status", b"200")],
    "a second method": [(b":method", b"GET")],
}


@pytest.mark.parametrize("name", SMUGGLING_FIELDS)
def test_fields_that_http2_does_not_have(server, name):
    """RFC 9113 section 8.2: malformed; at the least it must not be stored or change what the request is."""
    thread = new_thread()
    body = json.dumps(checkpoint(thread)).encode()
    with connect(server) as connection:
        block = request(server, "put", body, *SMUGGLING_FIELDS[name])
        connection.send(
            frame(frames.HEADERS, frames.END_HEADERS, 1, block) + frame(frames.DATA, frames.END_STREAM, 1, body)
        )
        found = connection.answer_to(1)
    assert found is None or found[0] in (frames.RST_STREAM, frames.GOAWAY) or 400 <= frames.status(found) < 502
    with Caller(server, bearer(server.key), verify=server.authority.context()) as caller:
        assert caller.do("get-tuple", {"thread_id": thread}) is None


@pytest.mark.parametrize("length", [0, 1, 1_000_000])
def test_a_length_that_is_not_that_of_the_body(server, length):
    thread = new_thread()
    body = json.dumps(checkpoint(thread)).encode()
    with connect(server) as connection:
        connection.send(
            frame(frames.HEADERS, frames.END_HEADERS, 1, request(server, "put", body, length=length))
            + frame(frames.DATA, frames.END_STREAM, 1, body)
        )
        found = connection.answer_to(1)
    assert found is None or found[0] in (frames.RST_STREAM, frames.GOAWAY) or frames.status(found) >= 400
    with Caller(server, bearer(server.key), verify=server.authority.context()) as caller:
        assert caller.do("get-tuple", {"thread_id": thread}) is None


@pytest.mark.parametrize(
    "path",
    [
        b"", b"threads", b"*", b"/healthz HTTP/1.1\r\nx: y", b"/healthz\r\n\r\nGET /threads", b"/threads\0", b"/ threads",
        b"http://h/threads", b"//h/threads", b"/healthz/../threads", b"/healthz\x7f",
    ],
    ids=repr,
)
def test_paths(server, path):
    """Without a key none of these is answered with threads."""
    with connect(server) as connection:
        connection.send(frame(frames.HEADERS, 5, 1, fields(b"GET", path)))
        found = connection.answer_to(1)
    assert found is None or found[0] in (frames.RST_STREAM, frames.GOAWAY) or 400 <= frames.status(found) < 500


def test_each_stream_has_its_own_key(server):
    """A key in one stream opens nothing in the next, whatever HPACK remembers."""
    encoder, statuses = hpack.Encoder(), []
    base = [(":method", "GET"), (":scheme", "https"), (":authority", "h"), (":path", "/threads")]
    with connect(server) as connection:
        decoder = hpack.Decoder()
        for stream, more in ((1, [("x-api-key", server.key)]), (3, []), (5, [("x-api-key", server.key)]), (7, [])):
            connection.send(frame(frames.HEADERS, 5, stream, encoder.encode(base + more)))
            found = connection.answer_to(stream)
            statuses.append(dict(decoder.decode(found[3]))[":status"])
    assert statuses == ["200", "401", "200", "401"]


def test_no_http2_without_tls(start_server):
    """Neither by the preface nor by an upgrade."""
    server = start_server()
    with httpx.Client(http1=False, http2=True, trust_env=False) as client:
        with pytest.raises(httpx.HTTPError):
            client.get(f"{server.base_url}/healthz")
    upgrade = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQAAP__"}
    assert httpx.get(f"{server.base_url}/healthz", headers=upgrade, trust_env=False).status_code == 200


def test_frames_that_are_no_frames(server):
    """Too large, of a stream that is not there, in the wrong order: the connection ends, and the server does not."""
    for data in (
        b"\xff\xff\xff" + bytes(6) + b"x" * 100_000, frame(frames.DATA, 0, 9, b"x"), frame(frames.HEADERS, 4, 2, b""),
        frame(frames.SETTINGS, 0, 1, b""), frame(frames.SETTINGS, 0, 0, b"x"), frame(frames.PING, 0, 0, b"x"),
        frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)),
        frame(frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", (1 << 31) - 1)) * 3, frame(frames.CONTINUATION, 4, 1, b""),
        frames.settings((4, 1 << 31)), frames.settings((5, 1)), b"GET / HTTP/1.1\r\n\r\n" * 10, bytes(1000),
    ):
        with connect(server) as connection:
            connection.send(data)
            assert connection.end(), data[:20]
