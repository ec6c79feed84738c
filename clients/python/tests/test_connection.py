"""The HTTP of the asynchronous saver: what may come over a connection, whole or in pieces, and what must not."""

import asyncio
import base64
import gzip
import ssl
import subprocess

import httpx
import pytest

from checkpoints import config_of, save
from langgraph.checkpoint.milepost import AsyncMilepostSaver, MilepostSaver, UnavailableError
from langgraph.checkpoint.milepost._connection import Connections, ReplyReader
from langgraph.checkpoint.milepost._http import Endpoint
from langgraph.checkpoint.milepost._retry import RetryPolicy

OK = b"HTTP/1.1 200 OK\r\n"
PACKED = gzip.compress(b"[1,2,3]")
LENGTH = b"content-length: %d\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = {
    "length": (OK + b"Content-Length: 2\r\nX-Next-Cursor:  a \r\n\r\n[]", 200, b"[]", True),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "no reason": (b"HTTP/1.1 503\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n", 503, b"", True),
    "chunks": (CHUNKED + b"3\r\n[1,\r\n2;name=value\r\n2]\r\n0\r\n\r\n", 200, b"[1,2]", True),
    "chunk with a line break": (CHUNKED + b"B\r\n01\r\n0\r\n\r\n89\r\n0\r\n\r\n", 200, b"01\r\n0\r\n\r\n89", True),
    "trailers": (CHUNKED + b"1\r\n7\r\n0\r\na: b\r\nc: d\r\n\r\n", 200, b"7", True),
    "interim": (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 1\r\n\r\n1", 200, b"1", True),
    "packed": (
        OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(PACKED) + PACKED,
        200,
        b"[1,2,3]",
        True,
    ),
    "last": (OK + b"Connection: Close\r\ncontent-length: 1\r\n\r\n1", 200, b"1", False),
    "old": (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n1", 200, b"1", False),
}
WRONG = {
    "another protocol": b"SSH-2.0-server\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "no length": OK + b"content-length: two\r\n\r\n",
    "less than nothing": OK + b"content-length: -2\r\n\r\n",
    "another coding": OK + b"transfer-encoding: gzip, chunked\r\n\r\n",
    "no size": CHUNKED + b"two\r\n12\r\n",
    "size that is none": CHUNKED + b"2\r\n123\r\n0\r\n\r\n",
    "size below nothing": CHUNKED + b"-2\r\n12\r\n",
    "no gzip": OK + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n12",
    "endless head": b"x" * 70_000,
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_is_read_however_it_is_cut(name):
    data, status, content, keeps_alive = WHOLE[name]
    cuts = [[data[:cut], data[cut:]] for cut in range(len(data))] + [[bytes([byte]) for byte in data]]
    for pieces in cuts:
        reader = ReplyReader()
        for number, piece in enumerate(pieces):
            assert reader.reply is None, number
            reader.feed(piece)
        assert reader.reply is not None
        assert (reader.reply.status, reader.reply.content, reader.keeps_alive) == (status, content, keeps_alive)


def test_headers_have_lower_case_names_and_no_space_around():
    reader = ReplyReader()
    reader.feed(WHOLE["length"][0])
    assert reader.reply.headers == {"content-length": "2", "x-next-cursor": "a"}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_answer_is_refused(name):
    with pytest.raises(ValueError, match=r"\w"):
        ReplyReader().feed(WRONG[name])


def test_a_body_without_length_ends_with_the_connection():
    reader = ReplyReader()
    reader.feed(OK + b"\r\n[1")
    reader.feed(b"]")
    assert reader.reply is None
    reader.end()
    assert (reader.reply.content, reader.keeps_alive) == (b"[1]", False)


@pytest.mark.parametrize("cut", [b"", OK, OK + b"content-length: 3\r\n\r\n12", CHUNKED + b"3\r\n12"])
def test_half_an_answer_is_none(cut):
    reader = ReplyReader()
    reader.feed(cut)
    reader.end()
    assert reader.reply is None


def test_bytes_that_nobody_asked_for_end_the_connection():
    reader = ReplyReader()
    reader.feed(WHOLE["length"][0] + b"HTTP/1.1 200 OK\r\n")
    assert not reader.keeps_alive


# MARK: connections


async def serving(handle, scenario, **options):
    """Runs a scenario with the address of a server that treats each connection so."""
    writers = []

    async def connected(reader, writer):
        writers.append(writer)
        await handle(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, **options)
    try:
        return await scenario(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in writers:  # Before Python 3.12 nobody else closes them.
            writer.transport.abort()
        await asyncio.sleep(0)


async def request_from(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    return head, await reader.readexactly(length)


def test_a_request_that_is_cancelled_takes_its_connection_along():
    accepted = []

    async def handle(reader, writer):
        accepted.append(await request_from(reader))
        if len(accepted) > 1:
            writer.write(OK + b"content-length: 1\r\n\r\n%d" % len(accepted))
        await reader.read()
        writer.close()

    async def scenario(port):
        connections = Connections(httpx.URL(f"http://127.0.0.1:{port}"), 1, 5)
        request = b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(connections.send(request), 0.1)
        assert (await connections.send(request)).content == b"2"
        await connections.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await connections.send(request)

    asyncio.run(serving(handle, scenario))


def test_slow_progress_is_no_silence():
    async def handle(reader, writer):
        for piece in (OK, b"content-length: 3\r\n", b"\r\n", b"1", b"2", b"3"):
            await asyncio.sleep(0.1)
            writer.write(piece)
        await reader.read()
        writer.close()

    async def scenario(port):
        connections = Connections(httpx.URL(f"http://127.0.0.1:{port}"), 1, 0.3)
        assert (await connections.send(b"x")).content == b"123"
        await connections.aclose()

    asyncio.run(serving(handle, scenario))


def test_a_server_that_takes_nothing_is_given_up():
    async def handle(reader, writer):
        await asyncio.sleep(5)

    async def scenario(port):
        connections = Connections(httpx.URL(f"http://127.0.0.1:{port}"), 1, 0.2)
        with pytest.raises(httpx.WriteTimeout):
            await connections.send(b"x" * 50_000_000)
        await connections.aclose()

    asyncio.run(serving(handle, scenario, limit=1024))


def test_https_asks_for_a_certificate_that_is_known(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def handle(reader, writer):
        await request_from(reader)
        writer.write(OK + b"content-length: 4\r\n\r\nnull")
        await reader.read()
        writer.close()

    async def found(port):
        async with AsyncMilepostSaver(f"https://localhost:{port}", retries=0) as saver:
            return await saver.aget_tuple(config_of("thread"))

    with pytest.raises(UnavailableError, match="certificate"):
        asyncio.run(serving(handle, found, ssl=context))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert asyncio.run(serving(handle, found, ssl=context)) is None


# MARK: what is left to httpx


@pytest.mark.parametrize(
    ("url", "variables", "is_direct"),
    [
        ("http://host:5003", {}, True),
        ("https://host", {"HTTP_PROXY": "http://proxy:1"}, True),
        ("https://host", {"https_proxy": "http://proxy:1"}, False),
        ("http://host", {"ALL_PROXY": "http://proxy:1"}, False),
        ("http://user:secret@host", {}, False),
    ],
)
def test_proxies_and_passwords_are_httpx_s(monkeypatch, url, variables, is_direct):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Endpoint.at(url, None, None, 30, RetryPolicy(0, 0)).is_direct is is_direct


def test_a_password_in_the_url_is_sent(open_surface, tap, thread_id):
    surface = open_surface(tap.base_url.replace("http://", "http://user:secret@"))
    save(surface, thread_id)
    surface.get_tuple(config_of(thread_id))
    expected = f"Basic {base64.b64encode(b'user:secret').decode()}"
    assert [headers["authorization"] for _, headers, _ in tap.requests] == [expected] * 2


@pytest.mark.parametrize("kind", [MilepostSaver, AsyncMilepostSaver])
def test_a_header_cannot_begin_another_one(kind):
    with pytest.raises(ValueError, match="line break"):
        kind(headers={"x-tenant": "a\r\nx-admin: yes"})
    with pytest.raises(ValueError, match="line break"):
        kind(api_key="secret\n")
