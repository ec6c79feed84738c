"""LangGraph's own savers, in a process of their own.

peers.py postgres DIRECTORY PORT PID
peers.py sqlite DIRECTORY

It takes one JSON object a line on standard input and answers each with one on standard output. The savers are given
bytes and a serde that leaves bytes alone, so that neither pays for serialising what Milepost is sent ready-made.
"""

import asyncio
import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiosqlite
import ormsgpack
import psycopg
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

import conversation
import ids
import processes
import workloads
from run import percentiles

# A saver sends one statement at a time, whatever pool it has; so several of them, each on its connection.
POSTGRES_SAVERS = 16


class Raw:
    """Bytes as they are; what else a saver hands over (SQLite's whole checkpoint) in the cheapest form there is."""

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        return ("bytes", value) if isinstance(value, bytes) else ("raw", ormsgpack.packb(value))

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        return data[1] if data[0] == "bytes" else ormsgpack.unpackb(data[1])


class Postgres:
    """A new database for each store."""

    def __init__(self, port: str, pid: str) -> None:
        self._address = f"host=127.0.0.1 port={port} user=postgres dbname="
        self._pid = int(pid)
        self._number = 0
        self._database = ""
        self._wal_start = 0

    @contextlib.asynccontextmanager
    async def savers(self, count: int, serde: Any) -> AsyncIterator[list[BaseCheckpointSaver[str]]]:
        async with contextlib.AsyncExitStack() as stack:
            savers: list[BaseCheckpointSaver[str]] = []
            for _ in range(min(count, POSTGRES_SAVERS)):
                opened = AsyncPostgresSaver.from_conn_string(self._address + self._database, serde=serde)
                savers.append(await stack.enter_async_context(opened))
            yield savers

    async def renew(self) -> None:
        self._number += 1
        self._database = f"store_{os.getpid()}_{self._number}"
        await self._run(f"CREATE DATABASE {self._database}")
        async with self.savers(1, None) as savers:
            await savers[0].setup()  # type: ignore[attr-defined]
        self._wal_start = await self._run("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")

    async def settings(self) -> dict[str, str]:
        names = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
        return {name: await self._run(f"SHOW {name}") for name in names}

    def server_cpu(self) -> float:
        return processes.tree_cpu_seconds(self._pid)

    def server_memory(self) -> int:
        return processes.tree_memory(self._pid)

    async def bytes_on_disk(self) -> dict[str, int]:
        await self._run("CHECKPOINT")
        end = await self._run("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
        size = await self._run(f"SELECT pg_database_size('{self._database}') - pg_database_size('template0')")
        return {"files": int(size), "wal": int(end) - int(self._wal_start)}

    async def _run(self, statement: str) -> Any:
        async with await psycopg.AsyncConnection.connect(f"{self._address}postgres", autocommit=True) as connection:
            cursor = await connection.execute(statement)
            row = await cursor.fetchone() if cursor.description else None
            return row[0] if row else None


class SQLite:
    """A new file for each store, in WAL mode as the saver sets it, and SQLite's default `synchronous=FULL`."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._number = 0

    @contextlib.asynccontextmanager
    async def savers(self, count: int, serde: Any) -> AsyncIterator[list[BaseCheckpointSaver[str]]]:
        async with aiosqlite.connect(self._file) as connection:
            yield [AsyncSqliteSaver(connection, serde=serde)]

    async def renew(self) -> None:
        self._number += 1

    async def settings(self) -> dict[str, str]:
        async with self.savers(1, Raw()) as savers:
            await savers[0].setup()  # type: ignore[attr-defined]
            found = {}
            for name in ("journal_mode", "synchronous"):
                cursor = await savers[0].conn.execute(f"PRAGMA {name}")  # type: ignore[attr-defined]
                found[name] = str((await cursor.fetchone())[0])
            return found

    def server_cpu(self) -> float:
        return 0

    def server_memory(self) -> int:
        return 0

    async def bytes_on_disk(self) -> dict[str, int]:
        return {"files": self._file.stat().st_size, "wal": 0}

    @property
    def _file(self) -> Path:
        return self._directory / f"store{self._number}.db"


Operation = Callable[[BaseCheckpointSaver[str]], Awaitable[object]]


def operation(workload: workloads.Workload) -> Operation:
    """The same logical call as the HTTP request, with an id of its own or one of the prepared threads."""
    variants = [workloads.values(workload.writes or workload.blobs, variant) for variant in range(4)]
    turn = iter(range(sys.maxsize))

    async def put_writes(saver: BaseCheckpointSaver[str]) -> object:
        values = variants[next(turn) % len(variants)]
        await write(saver, ids.random_thread_id(), ids.checkpoint_id(), values)
        return None

    async def put(saver: BaseCheckpointSaver[str]) -> object:
        return await save(saver, ids.random_thread_id(), ids.checkpoint_id(), variants[next(turn) % len(variants)])

    async def get_tuple(saver: BaseCheckpointSaver[str]) -> object:
        found = await saver.aget_tuple(config(ids.thread_id(next(turn) * 7919 % workload.threads)))
        assert found is not None and len(found.pending_writes or []) == len(workload.writes)
        return found

    async def list_ten(saver: BaseCheckpointSaver[str]) -> object:
        thread = ids.thread_id(next(turn) * 7919 % workload.threads)
        found = [item async for item in saver.alist(config(thread), limit=10)]
        assert len(found) == 10
        return found

    return {"put-writes": put_writes, "put": put, "get-tuple": get_tuple, "list": list_ten}[workload.call]


def config(thread: str, checkpoint: str | None = None) -> Any:
    chosen = {"thread_id": thread, "checkpoint_ns": ""}
    return {"configurable": {**chosen, "checkpoint_id": checkpoint} if checkpoint else chosen}


async def write(saver: BaseCheckpointSaver[str], thread: str, checkpoint: str, values: list[bytes]) -> None:
    writes = list(zip(workloads.CHANNELS, values))
    await saver.aput_writes(config(thread, checkpoint), writes, workloads.TASK_ID, workloads.TASK_PATH)


async def save(saver: BaseCheckpointSaver[str], thread: str, checkpoint: str, values: list[bytes]) -> object:
    versions = workloads.channel_versions(tuple(map(len, values)))
    document = workloads.document(checkpoint, versions, dict(zip(versions, values)))
    new_versions = versions if values else {}
    return await saver.aput(config(thread), document, workloads.METADATA, new_versions)  # type: ignore[arg-type]


async def prepare(saver: BaseCheckpointSaver[str], workload: workloads.Workload) -> None:
    for number in range(workload.threads):
        thread = ids.thread_id(number)
        for _ in range(workload.depth):
            checkpoint = ids.checkpoint_id()
            await save(saver, thread, checkpoint, workloads.values(workload.blobs))
            if workload.writes:
                await write(saver, thread, checkpoint, workloads.values(workload.writes))


async def measure(
    store: Postgres | SQLite, call: Operation, concurrency: int, seconds: float, warm_up: float
) -> dict[str, Any]:
    """Every task makes its next call when the last one has returned."""
    latencies: list[float] = []
    measuring_from = time.perf_counter_ns() + int(warm_up * 1e9)
    until = measuring_from + int(seconds * 1e9)

    async def client(saver: BaseCheckpointSaver[str]) -> None:
        while (start := time.perf_counter_ns()) < until:
            await call(saver)
            if start >= measuring_from:
                latencies.append((time.perf_counter_ns() - start) / 1000)

    async with store.savers(concurrency, Raw()) as savers:
        clients = [asyncio.create_task(client(savers[number % len(savers)])) for number in range(concurrency)]
        await asyncio.sleep(warm_up)
        own, server = time.process_time(), store.server_cpu()
        await asyncio.gather(*clients)
        took = (time.perf_counter_ns() - measuring_from) / 1e9
        own, server = time.process_time() - own, store.server_cpu() - server
        server_memory = store.server_memory()
    count = len(latencies)
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "requests": count,
        "seconds": took,
        **percentiles(latencies),
        "max_us": max(latencies),
        # A saver is client and store in one; PostgreSQL's processes come on top.
        "cpu_us": (own + server) / count * 1e6,
        "server_cpu_us": server / count * 1e6,
        "peak_rss": own_peak + server_memory,
    }


async def main(kind: str, *arguments: str) -> None:
    store = Postgres(*arguments[1:]) if kind == "postgres" else SQLite(*arguments)
    await store.renew()
    print(json.dumps(await store.settings()), flush=True)
    for text in iter(sys.stdin.readline, ""):
        asked = json.loads(text)
        answer: dict[str, Any] = {}
        if asked["do"] == "prepare":
            async with store.savers(1, Raw()) as savers:
                await prepare(savers[0], next(one for one in workloads.WORKLOADS if one.name == asked["workload"]))
        elif asked["do"] == "measure":
            workload = next(one for one in workloads.WORKLOADS if one.name == asked["workload"])
            if not workload.is_read:
                await store.renew()
            answer = await measure(
                store, operation(workload), asked["concurrency"], asked["seconds"], asked["warm_up"]
            )
        elif asked["do"] == "conversation":
            await store.renew()
            async with store.savers(1, conversation.serde()) as savers:
                start = time.perf_counter()
                await conversation.converse_async(savers[0], asked["turns"])
                answer["seconds"] = time.perf_counter() - start
            answer |= await store.bytes_on_disk()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
