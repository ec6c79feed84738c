"""What a saver says to the server and how it reads the answers. No input or output happens here."""

from __future__ import annotations

import binascii
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import TASKS

from .errors import InvalidRequestError, ServerError, UnsupportedError
from .reports import PrunedThread, PruneReport

if TYPE_CHECKING:
    from langgraph.checkpoint.base import DeltaChannelHistory

try:
    from langgraph.checkpoint.base import writes_sort_key
except ImportError:  # Before langgraph-checkpoint 4.3.

    def writes_sort_key(task_path: str, task_id: str = "", idx: int = 0) -> tuple[str, str, int]:
        """The order in which one super-step's writes are applied."""
        return (task_path, task_id, idx)


T = TypeVar("T")
Body = dict[str, Any]

PAGE = 100
EMPTY = "empty"
FULL_TUPLE = ["blobs", "pending_writes", "task_path", "parent_sends"]
BEYOND_GET_TUPLE = ["task_path", "parent_sends"]
STRATEGIES = ("keep_latest", "delete")
FIRST_VERSION_WITHOUT_SENDS = 4


@dataclass(frozen=True)
class Answer:
    """A successful answer: its JSON, None when it has no body, and the cursor of the next page, if there is one."""

    value: Any
    cursor: str | None = None


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and how to read its answer."""

    path: str
    body: Body
    read: Callable[[Answer], T]

    def content(self) -> bytes:
        """The request's body: strict JSON, for there is no other that every reader of a checkpoint understands."""
        try:
            return json.dumps(self.body, separators=(",", ":"), allow_nan=False).encode("ascii")
        except ValueError as error:
            raise InvalidRequestError(
                f"{self.path}: {error}; metadata, filters and ids must be JSON (channel values and writes need not)"
            ) from error


@dataclass(frozen=True)
class Wire:
    """The calls of a saver, with the serializer they use for values."""

    serde: SerializerProtocol
    first_version: Callable[[], str]
    refuse_forks: bool = False

    # MARK: calls

    def get_tuple(self, config: RunnableConfig) -> Call[CheckpointTuple | None]:
        """The checkpoint that `config` names, or the latest; None when there is none."""
        body = {**_place(config), "checkpoint_id": get_checkpoint_id(config) or None, "include": BEYOND_GET_TUPLE}
        return Call("/checkpoints/get-tuple", body, lambda answer: answer.value and self._tuple(answer.value))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Call[RunnableConfig]:
        """Saves a checkpoint; the one that `config` names is its parent."""
        place = _place(config)
        parent = get_checkpoint_id(config) or None
        document, blobs = self._split(checkpoint, new_versions)
        body = {
            **place,
            "checkpoint_id": checkpoint["id"],
            "parent_checkpoint_id": parent,
            "checkpoint": document,
            "metadata": get_serializable_checkpoint_metadata(config, metadata),
            "blobs": blobs,
        }
        if self.refuse_forks:
            body["expected_head"] = parent
        saved = _config(place["thread_id"], place["checkpoint_ns"], checkpoint["id"])
        return Call("/checkpoints/put", body, lambda answer: saved)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> Call[None]:
        """Saves what a task wrote. Special writes (errors, interrupts, resumes) replace, others never do."""
        body = {
            **_place(config),
            "checkpoint_id": get_checkpoint_id(config),
            "writes": [self._write(number, write, task_id, task_path) for number, write in enumerate(writes)],
        }
        return Call("/checkpoints/put-writes", body, _nothing)

    def list_page(self, query: Query, after: str | None, left: int | None) -> Call[Page]:
        """One page of a list: at most `left` items, None for no limit."""
        body: Body = {**query.body, "limit": PAGE if left is None else min(left, PAGE), "include": FULL_TUPLE}
        if after is not None:
            body["after"] = after
        return Call("/checkpoints/list", body, lambda answer: Page(answer.value, answer.cursor, self))

    def delete_thread(self, thread_id: str) -> Call[None]:
        """Deletes everything of a thread."""
        return Call("/checkpoints/delete-thread", {"thread_id": str(thread_id)}, _nothing)

    def delete_for_runs(self, run_ids: Iterable[str]) -> Call[None]:
        """Deletes the checkpoints of these runs, in every thread."""
        return Call("/checkpoints/delete-for-runs", {"run_ids": _names("run_ids", run_ids)}, _nothing)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> Call[None]:
        """Copies everything of a thread to another one."""
        body = {"source_thread_id": str(source_thread_id), "target_thread_id": str(target_thread_id)}
        return Call("/checkpoints/copy-thread", body, _nothing)

    def prune(self, thread_ids: Iterable[str], strategy: str, keep_last: int, dry_run: bool) -> Call[PruneReport]:
        """Deletes old checkpoints of threads, or all of them."""
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy is {strategy!r}, which is none of {', '.join(STRATEGIES)}")
        if keep_last < 1:
            raise ValueError(f"keep_last is {keep_last}, but at least 1 checkpoint of a namespace is kept")
        body = {
            "thread_ids": _names("thread_ids", thread_ids),
            "strategy": strategy,
            "keep_last": keep_last,
            "dry_run": dry_run,
        }
        return Call("/checkpoints/prune", body, lambda answer: _report(answer.value))

    def delta_channel_history(
        self, config: RunnableConfig, channels: Sequence[str]
    ) -> Call[Mapping[str, DeltaChannelHistory]]:
        """What the ancestors of a checkpoint wrote to these channels since the last stored value."""
        body = {
            **_place(config),
            "checkpoint_id": get_checkpoint_id(config) or None,
            "channels": list(channels),
        }

        def read(answer: Answer) -> Mapping[str, DeltaChannelHistory]:
            return {name: self._history(answer.value["channels"][name]) for name in channels}

        return Call("/checkpoints/delta-channel-history", body, read)

    # MARK: values to the wire

    def _split(self, checkpoint: Checkpoint, new_versions: ChannelVersions) -> tuple[Body, list[Body]]:
        """The document to store, with the values that JSON holds exactly, and blobs for the others."""
        values = checkpoint["channel_values"]
        inline = {name: value for name, value in values.items() if self._goes_inline(value)}
        versions = {name: version for name, version in new_versions.items() if name not in inline}
        # Another saver may have put such a value into the document: it has no blob then, and would be lost with the
        # next checkpoint that does not change it. A blob that is already there stays as it is.
        for name, value in values.items():
            if name not in inline and isinstance(value, (str, int, float)) and name in checkpoint["channel_versions"]:
                versions.setdefault(name, checkpoint["channel_versions"][name])
        return {**checkpoint, "channel_values": inline}, [
            self._blob(name, version, values) for name, version in versions.items()
        ]

    def _goes_inline(self, value: Any) -> bool:
        # Any other serializer was chosen for what it does to values, encryption say: it gets them all.
        return isinstance(self.serde, JsonPlusSerializer) and is_exact_in_json(value)

    def _blob(self, channel: str, version: str | int | float, values: Mapping[str, Any]) -> Body:
        kind, content = (EMPTY, None) if channel not in values else self._dumped(values[channel])
        return {"channel": channel, "version": str(version), "type": kind, "blob": content}

    def _write(self, number: int, write: tuple[str, Any], task_id: str, task_path: str) -> Body:
        channel, value = write
        kind, content = self._dumped(value)
        idx = WRITES_IDX_MAP.get(channel, number)
        return {
            "task_id": task_id,
            "idx": idx,
            "channel": channel,
            "type": kind,
            "blob": content,
            "task_path": task_path,
            "upsert": idx < 0,
        }

    def _dumped(self, value: Any) -> tuple[str, str]:
        kind, content = self.serde.dumps_typed(value)
        return kind, binascii.b2a_base64(content, newline=False).decode("ascii")

    # MARK: the wire to values

    def _tuple(self, item: Body) -> CheckpointTuple:
        if "blobs" not in item or "pending_writes" not in item:
            raise UnsupportedError("the server answers checkpoints without their values: it is not a current Milepost")
        thread_id, namespace, parent = item["thread_id"], item["checkpoint_ns"], item["parent_checkpoint_id"]
        document: Body = item["checkpoint"]
        values = dict(document.get("channel_values") or {})
        for blob in item["blobs"]:
            if blob["type"] not in (EMPTY, None) and blob["blob"] is not None:
                values[blob["channel"]] = self._loaded(blob)
        document["channel_values"] = values
        self._add_sends(document, item.get("parent_sends") or [])
        return CheckpointTuple(
            config=_config(thread_id, namespace, item["checkpoint_id"]),
            checkpoint=cast(Checkpoint, document),
            metadata=item["metadata"],
            parent_config=_config(thread_id, namespace, parent) if parent else None,
            pending_writes=self._writes(item["pending_writes"]),
        )

    def _add_sends(self, document: Body, sends: list[Body]) -> None:
        """Before version 4, the packets that a step sent were writes of its parent: now they are a channel's value."""
        if not sends or document.get("v", FIRST_VERSION_WITHOUT_SENDS) >= FIRST_VERSION_WITHOUT_SENDS:
            return
        document["channel_values"][TASKS] = [value for _, _, value in self._writes(sends)]
        versions = document.setdefault("channel_versions", {})
        versions[TASKS] = max(versions.values()) if versions else self.first_version()

    def _writes(self, writes: list[Body]) -> list[PendingWrite]:
        ordered = sorted(writes, key=_order)
        return [(write["task_id"], write["channel"], self._loaded(write)) for write in ordered]

    def _history(self, entry: Body) -> DeltaChannelHistory:
        # These writes come in the order to replay them, across checkpoints: sorting them would mix those up.
        history: DeltaChannelHistory = {
            "writes": [(write["task_id"], write["channel"], self._loaded(write)) for write in entry["writes"]]
        }
        seed = entry.get("seed")
        if seed is not None:
            history["seed"] = self._loaded(seed["blob"]) if "blob" in seed else seed["value"]
        return history

    def _loaded(self, part: Body) -> Any:
        content = binascii.a2b_base64(part["blob"] or "")
        return content if part["type"] is None else self.serde.loads_typed((part["type"], content))


@dataclass(frozen=True)
class Page:
    """Some items of a list, decoded one at a time as they are asked for, and where the next page begins."""

    items: list[Body]
    cursor: str | None
    wire: Wire

    def tuples(self) -> Iterable[CheckpointTuple]:
        """The page's checkpoints in the server's order."""
        return map(self.wire._tuple, self.items)


@dataclass(frozen=True)
class Query:
    """What a list asks for, the same on every page."""

    body: Body
    is_empty: bool

    @classmethod
    def of(
        cls,
        config: RunnableConfig | None,
        filter: Mapping[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Query:
        """The query for the arguments of `list`. Without a config it spans all threads."""
        if limit is not None and limit < 0:
            raise ValueError(f"limit is {limit}, but must not be negative")
        body: Body = {"across_threads": True} if not config else {"thread_id": str(config["configurable"]["thread_id"])}
        if config:
            body["checkpoint_ns"] = config["configurable"].get("checkpoint_ns")
            body["checkpoint_id"] = get_checkpoint_id(config) or None
        if filter:
            body["filter_metadata"] = dict(filter)
        cursor = get_checkpoint_id(before) if before is not None else None
        if cursor is not None:
            body["before_checkpoint_id"] = cursor
        # Before a config without a checkpoint there is nothing, as PostgresSaver and SqliteSaver have it.
        return cls(body, is_empty=limit == 0 or (before is not None and not cursor))


def is_exact_in_json(value: Any) -> bool:
    """Whether a value comes back from JSON, and from every engine's own JSON, as exactly what it was."""
    kind = type(value)
    if kind is str:
        return "\0" not in value and (value.isascii() or _is_unicode(value))
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if kind is float:
        return bool(1e-4 <= abs(value) < 1e15 or (value == 0 and math.copysign(1, value) > 0))
    return kind is bool or value is None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # A lone surrogate.
        return False
    return True


def parsed(content: bytes) -> Any:
    """The JSON of a successful answer, None when it has no body."""
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        raise ServerError(f"the answer is not JSON, so this is not Milepost: {content[:80]!r}") from error


def _place(config: RunnableConfig) -> Body:
    configurable = config["configurable"]
    return {
        "thread_id": str(configurable["thread_id"]),
        "checkpoint_ns": configurable.get("checkpoint_ns") or "",
    }


def _config(thread_id: str, checkpoint_ns: str, checkpoint_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": checkpoint_ns, "checkpoint_id": checkpoint_id}}


def _names(what: str, given: Iterable[str]) -> list[str]:
    if isinstance(given, (str, bytes)):
        raise TypeError(f"{what} must be a sequence of strings, not one string")
    return [str(name) for name in given]


def _order(write: Body) -> tuple[str, str, int]:
    return writes_sort_key(write.get("task_path") or "", write["task_id"], write["idx"])


def _nothing(answer: Answer) -> None:
    return None


def _report(value: Body) -> PruneReport:
    threads = tuple(_known(PrunedThread, thread) for thread in value["threads"])
    return _known(PruneReport, {**value, "threads": threads})


def _known(kind: type[T], value: Body) -> T:
    """A dataclass from an object that may have more members: a newer server's."""
    return kind(**{field.name: value[field.name] for field in fields(cast(Any, kind))})
