"""Whether it stays as fast as it grows: a file with a million writes, a thread of a hundred thousand checkpoints."""

import contextlib
from pathlib import Path
from typing import Any

import ids
import load
import servers
import throughput
from http_saver import Client
from measurement import measured
from run import Run
from workloads import ALL_THREADS, GET_TUPLE, MANY_THREADS, SAME_THREADS, SMALL_WRITES, line, put_line, put_writes_line

CONNECTIONS = 64
LONG = 100_000
SHORT = 10
LONG_THREAD, SHORT_THREAD = ids.thread_id(1 << 40), ids.thread_id(1 << 41)


def measure(run: Run) -> None:
    if run.wants("growth: 1 M writes"):
        _many_writes(run)
    if run.wants("growth: a thread of 100 k checkpoints"):
        _long_thread(run)


def _many_writes(run: Run) -> None:
    """Each of the threads has a checkpoint of five blobs, four writes for it and sixteen for others: 1 M writes."""
    grown, small = run.folder("grown"), run.folder("small")
    run.say(f"growth: filling a file with {MANY_THREADS * 20:,} writes over {MANY_THREADS:,} threads")
    with servers.milepost(grown) as server:
        throughput.prepare(server, GET_TUPLE, MANY_THREADS, run.directory / "preparation")
        others = load.write_requests(run.directory / "others", [put_writes_line((256,) * 4, "@C@")])
        for _ in range(4):
            load.fill(server, others, MANY_THREADS)
    with servers.milepost(small) as server:
        throughput.prepare(server, GET_TUPLE, GET_TUPLE.threads, run.directory / "preparation")

    found = run.results.setdefault("growth", {})
    found["file"] = {"threads": MANY_THREADS, "writes": MANY_THREADS * 20, "bytes": servers.bytes_in(grown)}
    read = [line("get-tuple", {"thread_id": ids.thread_id(number)}) for number in range(MANY_THREADS)]
    all_threads = load.write_requests(run.directory / "reads-all", read)
    same_threads = load.write_requests(run.directory / "reads-same", read[:GET_TUPLE.threads])
    writes = load.write_requests(run.directory / "writes", SMALL_WRITES.requests())
    rows = found.setdefault("rows", [])
    for number in range(run.rounds):
        for file, directory in (("small", small), ("grown", grown)):
            _row(run, rows, SAME_THREADS, file, number, directory, same_threads, CONNECTIONS)
        _row(run, rows, ALL_THREADS, "grown", number, grown, all_threads, CONNECTIONS)
        empty = run.folder("empty")
        for file, directory in (("small", empty), ("grown", grown)):
            _row(run, rows, "put-writes", file, number, directory, writes, CONNECTIONS)
        servers.remove(empty)
    servers.remove(grown)
    servers.remove(small)


def _long_thread(run: Run) -> None:
    """Latency over one connection: of the latest checkpoint, and of a page of ten at three depths."""
    directory = run.folder("long")
    run.say(f"growth: filling a thread with {LONG:,} checkpoints")
    with servers.milepost(directory) as server:
        for thread, count in ((LONG_THREAD, LONG), (SHORT_THREAD, SHORT)):
            put = put_line((1024,), thread=thread, version="@C@")
            load.fill(server, load.write_requests(run.directory / "put", [put]), count)
            write = put_writes_line((256,), _latest(server, thread), thread=thread)
            load.fill(server, load.write_requests(run.directory / "write", [write]), 1)
        places = {"at the top": None, "in the middle": LONG // 2, "at the bottom": LONG - 20}
        cursors = _cursors(server, LONG_THREAD, [depth for depth in places.values() if depth])
    requests = {
        f"get-tuple, latest of {SHORT}": line("get-tuple", {"thread_id": SHORT_THREAD}),
        f"get-tuple, latest of {LONG:,}": line("get-tuple", {"thread_id": LONG_THREAD}),
    }
    for name, depth in places.items():
        cursor = {"before_checkpoint_id": cursors[depth]} if depth else {}
        requests[f"list of 10, {name}"] = line("list", {"thread_id": LONG_THREAD, "limit": 10, **cursor})
    rows = run.results.setdefault("growth", {}).setdefault("long_thread", [])
    for number in range(run.rounds):
        for name, text in requests.items():
            file = load.write_requests(run.directory / "request", [text])
            _row(run, rows, name, "long", number, directory, file, 1)
    servers.remove(directory)


def _latest(server: servers.Server, thread: str) -> str:
    client = Client(server)
    with contextlib.closing(client):
        return str(client.call("list", {"thread_id": thread, "limit": 1})[0]["checkpoint_id"])


def _cursors(server: servers.Server, thread: str, depths: list[int]) -> dict[int, str]:
    """The ids of the checkpoints at these depths, found page by page."""
    found: dict[int, str] = {}
    client = Client(server)
    with contextlib.closing(client):
        seen, before = 0, None
        while len(found) < len(depths):
            body = {"thread_id": thread, "limit": 1000, **({"before_checkpoint_id": before} if before else {})}
            page = client.call("list", body)
            found |= {depth: page[depth - seen]["checkpoint_id"] for depth in depths if 0 <= depth - seen < len(page)}
            seen, before = seen + len(page), page[-1]["checkpoint_id"]
    return found


def _row(
    run: Run, rows: list[Any], name: str, file: str, number: int, directory: Path, requests: Path, connections: int
) -> None:
    with servers.milepost(directory) as server:
        figures = measured([server], requests, connections, run.seconds, run.warm_up)
    rate = figures["requests"] / figures["seconds"]
    rows.append({"name": name, "file": file, "round": number, "requests_per_second": rate, **figures})
    run.say(
        f"growth, round {number + 1}: {name} ({file}) {rate:,.0f}/s, p50 {figures['p50_us'] / 1000:.3f} ms, "
        f"p99 {figures['p99_us'] / 1000:.3f} ms"
    )
