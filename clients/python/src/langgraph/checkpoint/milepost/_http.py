"""The two ways to reach a server: a blocking one for any thread, and one with a client per event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar
from urllib.request import getproxies

import httpx

from ._connection import IDLE_SECONDS, MAX_CONNECTIONS, Connections, Reply
from ._retry import Attempts, RetryPolicy
from ._wire import Answer, Call, parsed
from .errors import UnavailableError, error_from

T = TypeVar("T")

DISTRIBUTION = "langgraph-checkpoint-milepost"
LONGEST_CONNECT = 5.0
RETRIED = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)


@dataclass(frozen=True)
class Endpoint:
    """Where the server is, how to introduce oneself, and how long to wait."""

    url: httpx.URL
    headers: httpx.Headers = field(repr=False)
    timeout: float
    retry: RetryPolicy
    urls: dict[str, httpx.URL] = field(default_factory=dict, repr=False)
    heads: dict[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def at(
        cls, url: str, api_key: str | None, headers: Mapping[str, str] | None, timeout: float, retry: RetryPolicy
    ) -> Endpoint:
        """Checks what a saver was given."""
        parsed_url = httpx.URL(url)
        if parsed_url.scheme not in ("http", "https") or not parsed_url.host:
            raise ValueError(f"the server's URL must be http://… or https://…, not {url!r}")
        if timeout <= 0:
            raise ValueError(f"timeout is {timeout:g} s, but must be positive")
        named = httpx.Headers({"user-agent": user_agent(), "accept-encoding": "gzip"})
        if api_key:
            named["authorization"] = f"Bearer {api_key}"
        named.update(headers)
        named["content-type"] = "application/json"
        if any(character in part for pair in named.raw for part in pair for character in b"\r\n\0"):
            raise ValueError("a header's name or value has a line break in it")
        return cls(parsed_url, named, timeout, retry)

    @property
    def connect_timeout(self) -> float:
        """The seconds that connecting may take."""
        return min(self.timeout, LONGEST_CONNECT)

    @property
    def is_direct(self) -> bool:
        """Whether there is nothing between here and the server that httpx knows about: a proxy, a password."""
        return not self.url.userinfo and not {self.url.scheme, "all"} & getproxies().keys()

    def options(self) -> dict[str, Any]:
        """What an httpx client of either kind is made with."""
        return {
            # Whoever finds all connections in use waits in line: those in front of it have time-outs.
            "timeout": httpx.Timeout(self.timeout, connect=self.connect_timeout, pool=None),
            "limits": httpx.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_CONNECTIONS,
                keepalive_expiry=IDLE_SECONDS,
            ),
            # Reading the certificates takes longer than many calls.
            "verify": self.url.scheme == "https",
        }

    def request(self, call: Call[Any], content: bytes) -> httpx.Request:
        """The request for a call. Made here, not by a client, which would parse the URL again for each."""
        url = self.urls.get(call.path)
        if url is None:
            root = self.url.raw_path.rstrip(b"/")
            url = self.urls.setdefault(call.path, self.url.copy_with(raw_path=root + call.path.encode("ascii")))
        return httpx.Request("POST", url, headers=self.headers, content=content)

    def message(self, call: Call[Any], content: bytes) -> bytes:
        """The same request as it goes over a connection."""
        head = self.heads.get(call.path)
        if head is None:
            request = self.request(call, b"")
            lines = [name + b": " + value for name, value in request.headers.raw if name.lower() != b"content-length"]
            head = b"POST %b HTTP/1.1\r\n%b\r\ncontent-length: " % (request.url.raw_path, b"\r\n".join(lines))
            self.heads[call.path] = head
        return b"%b%d\r\n\r\n%b" % (head, len(content), content)

    def answer(self, reply: Reply) -> Answer:
        """What the server answered; raises what it means when that is not a success."""
        if 200 <= reply.status < 300:
            return Answer(parsed(reply.content), reply.headers.get("x-next-cursor"))
        raise error_from(reply.status, reply.headers, reply.content)

    def unreachable(self, error: httpx.RequestError) -> UnavailableError:
        """The exception for no answer at all."""
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return UnavailableError(f"no answer from {self.url.copy_with(userinfo=b'')}: {what}")


class Transport:
    """Sends calls and waits for their answers, from any thread, also after a fork."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connects when the first call is made."""
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._process = 0
        self._closed = False

    def send(self, call: Call[T]) -> T:
        """The call's result; raises a MilepostError."""
        content = call.content()
        client = self._connected()
        attempts = Attempts(self._endpoint.retry)
        while True:
            try:
                response = client.send(self._endpoint.request(call, content))
                return call.read(self._endpoint.answer(_reply(response)))
            except RETRIED as error:
                failure, cause = self._endpoint.unreachable(error), error
            except httpx.RequestError as error:
                raise self._endpoint.unreachable(error) from error
            except UnavailableError as error:
                failure, cause = error, None
            failure.__cause__ = cause
            time.sleep(attempts.wait_after(failure))

    def close(self) -> None:
        """Closes all connections; calls raise RuntimeError from now on."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None and self._process == os.getpid():
            client.close()

    def _connected(self) -> httpx.Client:
        client = self._client
        # A connection must not be shared by two processes: the child of a fork makes its own.
        if client is None or self._process != os.getpid():
            with self._lock:
                if self._closed:
                    raise RuntimeError("this saver is closed")
                client = self._client
                if client is None or self._process != os.getpid():
                    client, self._process = httpx.Client(**self._endpoint.options()), os.getpid()
                    self._client = client
        return client


class AsyncTransport:
    """Sends calls from any event loop: each has a client of its own, for connections belong to one loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connects when the first call is made."""
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._clients: dict[asyncio.AbstractEventLoop, LoopClient] = {}
        self._closed = False

    async def send(self, call: Call[T]) -> T:
        """The call's result; raises a MilepostError."""
        content = call.content()
        client = await self._connected()
        attempts = Attempts(self._endpoint.retry)
        while True:
            try:
                return call.read(self._endpoint.answer(await client.send(call, content)))
            except RETRIED as error:
                failure, cause = self._endpoint.unreachable(error), error
            except httpx.RequestError as error:
                raise self._endpoint.unreachable(error) from error
            except UnavailableError as error:
                failure, cause = error, None
            failure.__cause__ = cause
            await asyncio.sleep(attempts.wait_after(failure))

    async def close(self) -> None:
        """Closes the connections of every loop that still runs; calls raise RuntimeError from now on."""
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, {}
        here = asyncio.get_running_loop()
        for loop, client in clients.items():
            if loop is here:
                await client.close()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.close(), loop))

    async def _connected(self) -> LoopClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            with self._lock:
                if self._closed:
                    raise RuntimeError("this saver is closed")
                # The connections of a loop that has ended are closed already.
                self._clients = {known: used for known, used in self._clients.items() if not known.is_closed()}
                client = self._clients[loop] = LoopClient(self._endpoint)
            await client.close_with_loop()
        return client


class LoopClient:
    """The client of one event loop, which is closed when the loop ends at the latest."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connects when the first call is made."""
        self._endpoint = endpoint
        self._direct: Connections | None = None
        if endpoint.is_direct:
            self._direct = Connections(endpoint.url, endpoint.connect_timeout, endpoint.timeout)
        else:
            self._http = httpx.AsyncClient(**endpoint.options())
        self._held = self._hold()

    async def send(self, call: Call[Any], content: bytes) -> Reply:
        """The answer; raises an httpx.RequestError when there is none."""
        if self._direct is not None:
            return await self._direct.send(self._endpoint.message(call, content))
        return _reply(await self._http.send(self._endpoint.request(call, content)))

    async def close_with_loop(self) -> None:
        """Has `asyncio.run` and its like close the client: they end every asynchronous generator that has begun."""
        await anext(self._held)

    async def close(self) -> None:
        """Closes the connections."""
        await self._held.aclose()

    async def _hold(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await (self._direct or self._http).aclose()


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


def user_agent() -> str:
    """`langgraph-checkpoint-milepost/0.1.0`."""
    try:
        return f"{DISTRIBUTION}/{version(DISTRIBUTION)}"
    except PackageNotFoundError:  # Run from a source tree.
        return DISTRIBUTION
