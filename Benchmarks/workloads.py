"""What is measured: the calls, their sizes, and the same data for HTTP and for LangGraph's savers.

Over HTTP a request is a line of a file: the path, a space and the body, with @T@ for a thread id and @C@ for a
checkpoint id, which unique.lua and LoadGenerator fill in.
"""

import base64
import json
import random
from dataclasses import dataclass
from typing import Any

import ids
import words

TASK_ID = "0d8a6d7e-57a1-0f0e-6f3c-9b6a4c5d2e1f"
TASK_PATH = "~__pregel_pull, agent"
METADATA = {"source": "loop", "step": 4, "parents": {}, "run_id": "1f0a2b3c-7d5e-6f70-8123-456789abcdef"}
CHANNELS = ("messages", "notes", "plan", "documents", "scratchpad", "summary", "facts", "steps")
SEED = 7


@dataclass(frozen=True)
class Workload:
    """One kind of call, always with data of the same size."""

    name: str
    call: str
    concurrencies: tuple[int, ...] = (1, 16, 64)
    # Those of them at which Milepost is measured on PostgreSQL too.
    on_postgres: tuple[int, ...] = (64,)
    # Sizes of the writes of one put-writes, of the blobs of one checkpoint, and checkpoints of a thread that is read.
    writes: tuple[int, ...] = ()
    blobs: tuple[int, ...] = ()
    depth: int = 1
    # Threads that are there before reads are measured.
    threads: int = 0

    @property
    def path(self) -> str:
        return f"/checkpoints/{self.call}"

    @property
    def is_read(self) -> bool:
        return self.threads > 0

    def requests(self) -> list[str]:
        """The lines to send: some variants of a write, or one for each thread that can be read."""
        if self.call == "put-writes":
            return [put_writes_line(self.writes, "@C@", variant) for variant in range(self._variants)]
        if self.call == "put":
            return [put_line(self.blobs, variant=variant) for variant in range(self._variants)]
        limit = {"limit": 10} if self.call == "list" else {}
        threads = (ids.thread_id(number) for number in range(self.threads))
        return [line(self.call, {"thread_id": thread, "checkpoint_ns": "", **limit}) for thread in threads]

    def preparation(self) -> list[str]:
        """The lines that make one checkpoint of a thread; all of them share the ids."""
        lines = [put_line(self.blobs)]
        return lines + [put_writes_line(self.writes, "@C@")] if self.writes else lines

    @property
    def _variants(self) -> int:
        return 16 if sum(self.writes) < 100_000 else 4


KIB = 1024
WORKLOADS = (
    Workload(
        "put-writes 1 × 256 B",
        "put-writes",
        writes=(256,),
        concurrencies=(1, 16, 64, 256),
        on_postgres=(1, 16, 64),
    ),
    Workload("put-writes 4 × 2 KiB", "put-writes", writes=(2 * KIB,) * 4),
    Workload("put-writes 1 × 256 KiB", "put-writes", writes=(256 * KIB,)),
    Workload("put 3 × 1 KiB", "put", blobs=(KIB,) * 3),
    Workload(
        "get-tuple 5 blobs + 4 writes",
        "get-tuple",
        blobs=(KIB,) * 5,
        writes=(KIB,) * 4,
        threads=500,
        on_postgres=(16, 64),
    ),
    Workload("list of 10", "list", depth=20, threads=100),
)
SMALL_WRITES, FOUR_WRITES, LARGE_WRITES, PUT, GET_TUPLE, LIST = WORKLOADS
# As a file grows: the same threads are read in a file that has many others and in one that has none, for that is what
# growing costs; reading all of them also needs more pages than a cache holds.
MANY_THREADS = 50_000
SAME_THREADS = f"get-tuple of {GET_TUPLE.threads} threads"
ALL_THREADS = f"get-tuple of all {MANY_THREADS:,} threads"


def line(call: str, body: dict[str, Any]) -> str:
    return f"/checkpoints/{call} {json.dumps(body, separators=(',', ':'))}"


def put_writes_line(sizes: tuple[int, ...], checkpoint: str, variant: int = 0, thread: str = "@T@") -> str:
    writes = [
        {
            "task_id": TASK_ID,
            "idx": index,
            "channel": CHANNELS[index],
            "type": "msgpack",
            "blob": encoded(value),
            "task_path": TASK_PATH,
        }
        for index, value in enumerate(values(sizes, variant))
    ]
    key = {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": checkpoint}
    return line("put-writes", {**key, "writes": writes, "upsert": False})


def put_line(sizes: tuple[int, ...], variant: int = 0, thread: str = "@T@", version: str | None = None) -> str:
    versions = channel_versions(sizes, version)
    blobs = [
        {"channel": channel, "version": versions[channel], "type": "msgpack", "blob": encoded(value)}
        for channel, value in zip(CHANNELS, values(sizes, variant))
    ]
    return line("put", put_body(thread, "@C@", None, document("@C@", versions), blobs))


def put_body(
    thread: str, checkpoint_id: str, parent: str | None, checkpoint: dict[str, Any], blobs: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "thread_id": thread,
        "checkpoint_ns": "",
        "checkpoint_id": checkpoint_id,
        "parent_checkpoint_id": parent,
        "checkpoint": checkpoint,
        "metadata": METADATA,
        "blobs": blobs,
    }


def document(
    checkpoint_id: str, versions: dict[str, str], channel_values: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A checkpoint as LangGraph 1.2 writes it; over HTTP its values are blobs."""
    return {
        "v": 4,
        "ts": "2026-01-02T03:04:05.678901+00:00",
        "id": checkpoint_id,
        "channel_values": channel_values or {},
        "channel_versions": versions,
        "versions_seen": {
            "__input__": {},
            "__start__": {"__start__": channel_version(1)},
            "agent": {"branch:to:agent": channel_version(2)},
        },
        "updated_channels": list(versions),
    }


def channel_versions(sizes: tuple[int, ...], version: str | None = None) -> dict[str, str]:
    """Of the channels with these sizes; of five channels when there are none, as a checkpoint always has some."""
    return dict.fromkeys(CHANNELS[: len(sizes) or 5], version or channel_version(4))


def channel_version(number: int) -> str:
    """As the SQL savers make them: a number that sorts, and a random part."""
    return f"{number:032}.0.7312345678901234"


def values(sizes: tuple[int, ...], variant: int = 0) -> list[bytes]:
    """Texts of these sizes, other ones for each variant."""
    generator = random.Random(SEED * 1000 + variant)
    return [words.data(generator, size) for size in sizes]


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
