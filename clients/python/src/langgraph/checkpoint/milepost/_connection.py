"""HTTP/1.1 on one event loop, as much of it as a call to a server needs.

An httpx client takes more CPU for a call than everything else that happens to it, and a graph makes two calls a step.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httpx

MAX_CONNECTIONS = 100
IDLE_SECONDS = 60.0
LONGEST_HEAD = 65_536
BLANK = b"\r\n\r\n"
WITHOUT_BODY = (204, 304)
HEX = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True)
class Reply:
    """A complete response; its headers have names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class ReplyReader:
    """Takes the bytes of a response as they come."""

    def __init__(self) -> None:
        """Begins with the status line."""
        self.reply: Reply | None = None
        self.keeps_alive = True
        self._bytes = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._length: int | None = None
        self._chunks: bytearray | None = None

    def feed(self, data: bytes) -> None:
        """Sets `reply` when that was all of it; raises ValueError when it is no HTTP."""
        self._bytes += data
        while self._status < 200 and self.reply is None:
            end = self._bytes.find(BLANK)
            if end < 0:
                if len(self._bytes) > LONGEST_HEAD:
                    raise ValueError("the head of the answer is too long")
                return
            self._read_head(bytes(self._bytes[:end]))
            del self._bytes[: end + len(BLANK)]
        if self._chunks is not None:
            self._read_chunks()
        elif self._length is not None and len(self._bytes) >= self._length:
            self._finish(bytes(self._bytes[: self._length]), len(self._bytes) - self._length)

    def end(self) -> None:
        """The server has closed the connection, which ends a body of no declared length."""
        if self._status >= 200 and self._length is None and self._chunks is None:
            self.keeps_alive = False
            self._finish(bytes(self._bytes), 0)

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise ValueError(f"the answer begins with {first[:80]!r}")
        self._status = int(rest[:3])
        fields = [line.partition(":") for line in lines]
        self._headers = {name.lower(): value.strip(" \t") for name, _, value in fields}
        options = self._headers.get("connection", "").lower()
        self.keeps_alive = "close" not in options and (version != "HTTP/1.0" or "keep-alive" in options)
        coding = self._headers.get("transfer-encoding", "").lower()
        length = self._headers.get("content-length")
        if self._status in WITHOUT_BODY:
            self._length = 0
        elif coding:
            if coding != "chunked":
                raise ValueError(f"transfer-encoding is {coding!r}")
            self._chunks = bytearray()
        elif length is not None:
            if not length.isdecimal():
                raise ValueError(f"content-length is {length!r}")
            self._length = int(length)

    def _read_chunks(self) -> None:
        chunks = cast(bytearray, self._chunks)
        place = 0
        while (line := self._bytes.find(b"\r\n", place)) >= 0:
            digits = bytes(self._bytes[place:line]).partition(b";")[0].strip()
            if not digits or not HEX.issuperset(digits):
                raise ValueError(f"the size of a chunk is {digits[:20]!r}")
            size = int(digits, 16)
            start = line + 2
            if size == 0:  # Trailers, if there are any, and an empty line.
                end = line if self._bytes.startswith(BLANK, line) else self._bytes.find(BLANK, start)
                if end >= 0:
                    self._finish(bytes(chunks), len(self._bytes) - end - len(BLANK))
                    return
                break
            if len(self._bytes) < start + size + 2:
                break
            if not self._bytes.startswith(b"\r\n", start + size):
                raise ValueError("a chunk is longer than its size")
            chunks += self._bytes[start : start + size]
            place = start + size + 2
        del self._bytes[:place]

    def _finish(self, content: bytes, left: int) -> None:
        self.keeps_alive = self.keeps_alive and left == 0
        if content and self._headers.get("content-encoding", "").lower() == "gzip":
            try:
                content = zlib.decompress(content, zlib.MAX_WBITS | 16)
            except zlib.error as error:
                raise ValueError("the answer is no gzip") from error
        self.reply = Reply(self._status, self._headers, content)


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self, timeout: float) -> None:
        """Not connected until the event loop says so."""
        self.is_open = False
        self.idle_since = 0.0
        self._timeout = timeout
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle
        self._reader = ReplyReader()
        self._answered: asyncio.Future[Reply] | None = None
        self._progress = 0.0
        self._unsent = 0

    async def exchange(self, request: bytes) -> Reply:
        """Sends a request and waits for its answer; raises an httpx.TransportError when there is none."""
        loop = asyncio.get_running_loop()
        self._reader = ReplyReader()
        self._answered = loop.create_future()
        self._progress = loop.time()
        self._timer = loop.call_later(self._timeout, self._look, loop)
        try:
            self._transport.write(request)
            self._unsent = self._transport.get_write_buffer_size()
            return await self._answered
        finally:
            self._timer.cancel()
            self._answered = None
            self.idle_since = loop.time()

    def close(self) -> None:
        """Also ends the exchange that is under way."""
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop has connected."""
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        waiting = self._answered
        if waiting is None or waiting.done():  # Nobody asked: what it belongs to cannot be known.
            self.close()
            return
        self._progress = waiting.get_loop().time()
        try:
            self._reader.feed(data)
        except ValueError as error:
            self._fail(httpx.RemoteProtocolError(str(error)))
            return
        self._answer(waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed the connection, or it broke."""
        self.is_open = False
        waiting = self._answered
        if waiting is None or waiting.done():
            return
        if exc is None:
            self._reader.end()
        self._answer(waiting)
        lost = httpx.ReadError(str(exc)) if exc else httpx.RemoteProtocolError("the server closed the connection")
        self._fail(lost)

    def _answer(self, waiting: asyncio.Future[Reply]) -> None:
        if self._reader.reply is not None:
            self.is_open = self.is_open and self._reader.keeps_alive
            waiting.set_result(self._reader.reply)

    def _fail(self, error: httpx.TransportError) -> None:
        self.is_open = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gives up when nothing has come or gone for as long as the time-out."""
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._progress = loop.time()
        self._unsent = unsent
        left = self._progress + self._timeout - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._look, loop)
        else:
            self._fail(httpx.WriteTimeout("") if unsent else httpx.ReadTimeout(""))


class Connections:
    """The connections of one event loop to one server, used again as long as they last."""

    def __init__(self, url: httpx.URL, connect: float, timeout: float) -> None:
        """Connects when the first request is sent."""
        self._host, self._port = url.host, url.port or (443 if url.scheme == "https" else 80)
        self._tls: ssl.SSLContext | None = None
        if url.scheme == "https":
            self._tls = httpx.create_ssl_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        self._connect, self._timeout = connect, timeout
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        self._closed = False
        # Whoever finds all connections in use waits in line: those in front of it have time-outs.
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)

    async def send(self, request: bytes) -> Reply:
        """The answer to a request; raises an httpx.TransportError when there is none."""
        async with self._free:
            if self._closed:
                raise RuntimeError("this saver is closed")
            connection = self._kept() or await self._opened()
            self._used.add(connection)
            try:
                reply = await connection.exchange(request)
            except BaseException:
                connection.close()
                raise
            finally:
                self._used.discard(connection)
            if connection.is_open:
                self._idle.append(connection)
            else:
                connection.close()
            return reply

    async def aclose(self) -> None:
        """Closes all of them; to send is an error from now on."""
        self._closed = True
        for connection in (*self._idle, *self._used):
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # Lets the event loop close them.

    def _kept(self) -> Connection | None:
        """The one that was used last: those that are not needed grow old."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _opened(self) -> Connection:
        loop = asyncio.get_running_loop()
        opening = loop.create_connection(lambda: Connection(self._timeout), self._host, self._port, ssl=self._tls)
        try:
            _, connection = await asyncio.wait_for(opening, self._connect)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise httpx.ConnectTimeout("") from error
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return connection
