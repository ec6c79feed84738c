"""What servers do under load, and what that takes of them."""

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import load
import processes
from servers import Database, Server


def measured(
    running: Sequence[Server],
    requests: Path,
    connections: int,
    seconds: int,
    warm_up: int,
    database: Database | None = None,
) -> dict[str, Any]:
    """A warm-up, then the measurement, with what it took of the servers, and of PostgreSQL if they are over a database.

    Several servers share the connections and are driven at the same time; their latency is that of the slowest.
    """
    _drive(running, requests, connections, warm_up)
    with contextlib.ExitStack() as stack:
        anonymous = [stack.enter_context(processes.AnonymousPeak(server.pid)) for server in running]
        own, stored = _cpu_seconds(running), database.cpu_seconds() if database else 0
        figures = _drive(running, requests, connections, seconds)
        own, stored = _cpu_seconds(running) - own, database.cpu_seconds() - stored if database else 0
    server_memory = database.memory() if database else 0
    count = max(1, figures["requests"])
    figures |= {
        "cpu_us": (own + stored) / count * 1e6,
        "peak_rss": sum(processes.peak_rss(server.pid) for server in running) + server_memory,
        "peak_anonymous": sum(peak.bytes for peak in anonymous),
    }
    of_database = {"server_cpu_us": stored / count * 1e6, "server_memory": server_memory}
    return figures | of_database if database else figures


def _drive(running: Sequence[Server], requests: Path, connections: int, seconds: int) -> dict[str, Any]:
    if len(running) == 1:
        return load.wrk(running[0], requests, connections, seconds)
    with ThreadPoolExecutor(len(running)) as pool:
        share = connections // len(running)
        found = list(pool.map(lambda server: load.wrk(server, requests, share, seconds, most_threads=1), running))
    return {name: (sum if name == "requests" else max)(one[name] for one in found) for name in found[0]}


def _cpu_seconds(running: Sequence[Server]) -> float:
    return sum(processes.cpu_seconds(server.pid) for server in running)
