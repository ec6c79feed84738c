"""The savers. Both have every method, blocking and asynchronous; they differ in what carries the asynchronous ones."""

from __future__ import annotations

import asyncio
import os
import random
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from typing_extensions import Self, Unpack

from ._http import AsyncTransport, Endpoint, Transport
from ._retry import RetryPolicy
from ._serde import default_serde
from ._wire import Call, Query, Wire
from .reports import PruneReport

if TYPE_CHECKING:
    from langgraph.checkpoint.base import DeltaChannelHistory

T = TypeVar("T")


class Options(TypedDict, total=False):
    """The arguments of a saver beside its URL; the base class says what they mean."""

    api_key: str | None
    headers: Mapping[str, str] | None
    timeout: float
    retries: int
    retry_seconds: float
    serde: SerializerProtocol | None
    refuse_forks: bool


DEFAULT_URL = "http://127.0.0.1:5003"
URL_VARIABLE = "MILEPOST_URL"
KEY_VARIABLE = "MILEPOST_API_KEY"


class _Saver(BaseCheckpointSaver[str]):
    """Every method of a saver, in terms of two that send a call.

    Arguments: `url` is where the server is, `http://host:5003` say. `api_key` goes into `authorization: Bearer …`, and
    `headers` go with every request. `timeout` is the seconds that each of sending a request and receiving its answer
    may take without progress; to connect, it is 5 s at most. A call that gets no answer, or 429, 502, 503 or 504, is
    made again at most `retries` times, as long as `retry_seconds` after the first attempt have not passed. `serde`
    turns values into bytes; the default one revives only plain data (see the README). With `refuse_forks`, `put`
    raises ConflictError unless the parent is still the newest checkpoint: of two programs that run one thread, one
    fails instead of forking it.

    Methods raise a MilepostError, which says more, when the server does not do what they ask.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        retries: int = 8,
        retry_seconds: float = 60.0,
        serde: SerializerProtocol | None = None,
        refuse_forks: bool = False,
    ) -> None:
        """Connects when the first call is made, not now."""
        super().__init__(serde=serde or default_serde())
        self.refuse_forks = refuse_forks
        self._endpoint = Endpoint.at(url, api_key, headers, timeout, RetryPolicy(retries, retry_seconds))
        self._transport = Transport(self._endpoint)

    @classmethod
    def from_url(cls, url: str = DEFAULT_URL, **options: Unpack[Options]) -> Self:
        """A saver for a with-statement; the same as calling the class."""
        return cls(url, **options)

    @classmethod
    def from_env(cls, **options: Unpack[Options]) -> Self:
        """A saver for the server that MILEPOST_URL names, with the key in MILEPOST_API_KEY if there is one."""
        options.setdefault("api_key", os.environ.get(KEY_VARIABLE) or None)
        return cls(os.environ.get(URL_VARIABLE) or DEFAULT_URL, **options)

    def __repr__(self) -> str:
        """Names the server, not the key."""
        return f"{type(self).__name__}({str(self._endpoint.url.copy_with(userinfo=b''))!r})"

    # MARK: blocking

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the latest of its thread and namespace; None when there is none."""
        return self._send(self._wire.get_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Complete checkpoints, newest first, fetched a page at a time as they are asked for.

        Without `config`, of all threads; without a namespace in it, of all namespaces. `filter` is JSON containment
        in the metadata, as PostgresSaver has it; `limit` None is all, 0 none.
        """
        query, left, after = Query.of(config, filter, before, limit), limit, None
        while not query.is_empty and left != 0:
            page = self._send(self._wire.list_page(query, after, left))
            yield from page.tuples()
            left, after = None if left is None else left - len(page.items), page.cursor
            if after is None:
                return

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Saves a checkpoint, whose parent is the one `config` names; returns the config that names it."""
        return self._send(self._wire.put(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Saves what a task wrote beside a checkpoint, which may come later. The first of two regular writes stays."""
        if writes:
            self._send(self._wire.put_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        """Deletes everything of a thread; no error when there is nothing."""
        self._send(self._wire.delete_thread(thread_id))

    def delete_for_runs(self, run_ids: Iterable[str]) -> None:
        """Deletes the checkpoints whose metadata has one of these run ids, with their writes, in all threads."""
        self._send(self._wire.delete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copies everything of a thread under another id; ConflictError when there is another thread under that id."""
        self._send(self._wire.copy_thread(source_thread_id, target_thread_id))

    def prune(  # type: ignore[override]  # The base class returns nothing, which its callers do not look at.
        self,
        thread_ids: Iterable[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int = 1,
        dry_run: bool = False,
    ) -> PruneReport:
        """Deletes all but the `keep_last` newest checkpoints of each namespace, and what only those needed.

        What they need of older ones stays: unfinished interrupts, delta channels. `strategy="delete"` leaves nothing.
        With `dry_run` nothing is deleted, and the report says what would be.
        """
        return self._send(self._wire.prune(thread_ids, strategy, keep_last, dry_run))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What each channel's ancestors wrote since its last stored value, oldest first, and that value."""
        return self._send(self._wire.delta_channel_history(config, channels)) if channels else {}

    # MARK: asynchronous

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `get_tuple`."""
        return await self._asend(self._wire.get_tuple(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As `list`."""
        query, left, after = Query.of(config, filter, before, limit), limit, None
        while not query.is_empty and left != 0:
            page = await self._asend(self._wire.list_page(query, after, left))
            for found in page.tuples():
                yield found
            left, after = None if left is None else left - len(page.items), page.cursor
            if after is None:
                return

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `put`."""
        return await self._asend(self._wire.put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `put_writes`."""
        if writes:
            await self._asend(self._wire.put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """As `delete_thread`."""
        await self._asend(self._wire.delete_thread(thread_id))

    async def adelete_for_runs(self, run_ids: Iterable[str]) -> None:
        """As `delete_for_runs`."""
        await self._asend(self._wire.delete_for_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `copy_thread`."""
        await self._asend(self._wire.copy_thread(source_thread_id, target_thread_id))

    async def aprune(  # type: ignore[override]  # As prune.
        self,
        thread_ids: Iterable[str],
        *,
        strategy: str = "keep_latest",
        keep_last: int = 1,
        dry_run: bool = False,
    ) -> PruneReport:
        """As `prune`."""
        return await self._asend(self._wire.prune(thread_ids, strategy, keep_last, dry_run))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As `get_delta_channel_history`."""
        return await self._asend(self._wire.delta_channel_history(config, channels)) if channels else {}

    # MARK: both

    def get_next_version(self, current: str | None, channel: None) -> str:
        """A version after `current`: a number of 32 digits, so that text order is number order, and a random part."""
        # A thread that another saver began may have plain numbers.
        number = 0 if current is None else int(str(current).split(".")[0])
        return f"{number + 1:032}.{random.random():016}"

    @property
    def _wire(self) -> Wire:
        return Wire(self.serde, lambda: self.get_next_version(None, None), self.refuse_forks)

    def _send(self, call: Call[T]) -> T:
        return self._transport.send(call)

    @abstractmethod
    async def _asend(self, call: Call[T]) -> T:
        """Sends a call from a coroutine."""


class MilepostSaver(_Saver):
    """A checkpoint saver for graphs that are called with `invoke` and `stream`.

    Usable from any number of threads. The asynchronous methods work too, each in a worker thread; where they are the
    rule, AsyncMilepostSaver is the better choice. See the base class for the arguments.
    """

    def close(self) -> None:
        """Closes the connections; those of `with_allowlist` copies are the same."""
        self._transport.close()

    def __enter__(self) -> Self:
        """Returns the saver."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the saver."""
        self.close()

    async def _asend(self, call: Call[T]) -> T:
        return await asyncio.to_thread(self._transport.send, call)


class AsyncMilepostSaver(_Saver):
    """A checkpoint saver for graphs that are called with `ainvoke` and `astream`.

    Usable from any number of event loops at once. The blocking methods have connections of their own and work from any
    thread; from an event loop's thread they hold up that loop. See the base class for the arguments.
    """

    def __init__(self, url: str = DEFAULT_URL, **options: Unpack[Options]) -> None:
        """Connects when the first call is made, not now."""
        super().__init__(url, **options)
        self._async_transport = AsyncTransport(self._endpoint)

    async def aclose(self) -> None:
        """Closes the connections; those of `with_allowlist` copies are the same."""
        await self._async_transport.close()
        self._transport.close()

    async def __aenter__(self) -> Self:
        """Returns the saver."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the saver."""
        await self.aclose()

    async def _asend(self, call: Call[T]) -> T:
        return await self._async_transport.send(call)
