"""A LangGraph saver over Milepost's API, which stores what LangGraph stores and watches what it costs."""

import base64
import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    CheckpointTuple,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)

import processes
from servers import Server


@dataclass
class Cost:
    """What the calls of one kind took of the server's CPU."""

    calls: int = 0
    cpu_seconds: float = 0
    blob_bytes: int = 0

    @property
    def cpu_ms(self) -> float:
        return self.cpu_seconds / self.calls * 1000 if self.calls else 0


@dataclass
class Client:
    """Calls the server over one connection, one call at a time."""

    server: Server
    costs: dict[str, Cost] = field(default_factory=dict)
    # Of each put the bytes of its channels.
    put_sizes: list[dict[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # http.client sets TCP_NODELAY.
        self._connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        self._lock = threading.Lock()

    def call(self, name: str, body: dict[str, Any]) -> Any:
        items = body.get("blobs", []) + body.get("writes", [])
        sizes = [_decoded_size(item["blob"]) for item in items]
        if name == "put":
            self.put_sizes.append({item["channel"]: size for item, size in zip(items, sizes) if item["blob"]})
        data = json.dumps(body).encode()
        with self._lock:
            before = processes.cpu_seconds(self.server.pid)
            self._connection.request("POST", f"/checkpoints/{name}", data, {"content-type": "application/json"})
            response = self._connection.getresponse()
            answer = response.read()
            cost = self.costs.setdefault(name, Cost())
            cost.calls += 1
            cost.cpu_seconds += processes.cpu_seconds(self.server.pid) - before
            cost.blob_bytes += sum(sizes)
        if response.status // 100 != 2:
            raise RuntimeError(f"{name} was answered with {response.status}: {answer[:500]!r}")
        return json.loads(answer) if answer else None

    def close(self) -> None:
        self._connection.close()


class HTTPSaver(BaseCheckpointSaver[str]):
    """Only what an invocation of a graph calls."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def get_next_version(self, current: str | None, channel: None) -> str:
        number = 0 if current is None else int(current.split(".")[0])
        return f"{number + 1:032}.0.7312345678901234"

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        values = dict(checkpoint["channel_values"])
        inline = {name: one for name, one in values.items() if one is None or isinstance(one, str | int | float)}
        blobs = []
        for channel, version in new_versions.items():
            if channel in inline:
                continue
            kind, data = self.serde.dumps_typed(values[channel]) if channel in values else ("empty", None)
            blobs.append({"channel": channel, "version": version, "type": kind, "blob": _encoded(data)})
        place = config["configurable"]
        key = {"thread_id": place["thread_id"], "checkpoint_ns": place.get("checkpoint_ns", "")}
        body = {
            **key,
            "checkpoint_id": checkpoint["id"],
            "parent_checkpoint_id": place.get("checkpoint_id"),
            "checkpoint": {**checkpoint, "channel_values": inline},
            "metadata": get_serializable_checkpoint_metadata(config, metadata),
            "blobs": blobs,
        }
        self._client.call("put", body)
        return {"configurable": {**key, "checkpoint_id": checkpoint["id"]}}

    def put_writes(self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        place = config["configurable"]
        sent = []
        for index, (channel, value) in enumerate(writes):
            kind, data = self.serde.dumps_typed(value)
            where = {"task_id": task_id, "idx": WRITES_IDX_MAP.get(channel, index), "task_path": task_path}
            sent.append({**where, "channel": channel, "type": kind, "blob": _encoded(data) or ""})
        key = {name: place.get(name, "") for name in ("thread_id", "checkpoint_ns", "checkpoint_id")}
        upsert = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        self._client.call("put-writes", {**key, "writes": sent, "upsert": upsert})

    def get_tuple(self, config: Any) -> CheckpointTuple | None:
        place = config["configurable"]
        key = {"thread_id": place["thread_id"], "checkpoint_ns": place.get("checkpoint_ns", "")}
        found = self._client.call("get-tuple", {**key, "checkpoint_id": get_checkpoint_id(config)})
        if found is None:
            return None
        checkpoint = found["checkpoint"]
        for blob in found["blobs"]:
            if blob["type"] != "empty":
                checkpoint["channel_values"][blob["channel"]] = self._value(blob)
        parent = found["parent_checkpoint_id"]
        return CheckpointTuple(
            {"configurable": {**key, "checkpoint_id": found["checkpoint_id"]}},
            checkpoint,
            found["metadata"],
            {"configurable": {**key, "checkpoint_id": parent}} if parent else None,
            [(write["task_id"], write["channel"], self._value(write)) for write in found["pending_writes"]],
        )

    def list(self, *_: Any, **__: Any) -> Iterator[CheckpointTuple]:
        raise NotImplementedError

    def _value(self, item: dict[str, Any]) -> Any:
        return self.serde.loads_typed((item["type"], base64.b64decode(item["blob"])))


def _decoded_size(blob: str | None) -> int:
    return len(blob) // 4 * 3 - blob[-2:].count("=") if blob else 0


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")
