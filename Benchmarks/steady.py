"""Latency at a fixed rate of requests, and memory: what a server does when it is not driven as fast as it can go."""

import collections
import contextlib
import http.client
import select
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import load
import processes
import servers
from measurement import measured
from run import Run
from workloads import LARGE_WRITES, SMALL_WRITES, put_writes_line

CONNECTIONS = 64
BODIES = 100
BODY_BLOB = 32 * 1024 * 1024
PART = 256 * 1024


def offered_rate(run: Run) -> None:
    """Half of Milepost's own maximum of small put-writes; the bare server gets the same."""
    name = f"{SMALL_WRITES.name} at half the maximum"
    if not run.wants(name):
        return
    requests = load.write_requests(run.directory / "requests", SMALL_WRITES.requests())
    rate = _maximum(run) / 2
    rows = run.results.setdefault("offered_rate", [])
    for number in range(run.rounds):
        for contender in ("bare", "milepost"):
            directory = run.folder("store")
            with servers.bare(run.directory) if contender == "bare" else servers.milepost(directory) as server:
                figures = load.at_rate(server, requests, CONNECTIONS, rate, run.seconds, run.warm_up)
            servers.remove(directory)
            rows.append({"contender": contender, "round": number, "offered": rate, **figures})
            run.say(
                f"{name} ({rate:,.0f}/s), round {number + 1}: {contender} p50 {figures['p50_us'] / 1000:.2f} ms, "
                f"p99 {figures['p99_us'] / 1000:.2f} ms, p99.9 {figures['p999_us'] / 1000:.2f} ms"
            )


def _maximum(run: Run) -> float:
    found = [
        row["requests_per_second"]
        for row in run.results.get("throughput", [])
        if (row["contender"], row["workload"], row["concurrency"]) == ("milepost", SMALL_WRITES.name, CONNECTIONS)
    ]
    if found:
        return float(statistics.median(found))
    requests = load.write_requests(run.directory / "maximum", SMALL_WRITES.requests())
    with servers.milepost(run.folder("store")) as server:
        figures = measured([server], requests, CONNECTIONS, run.seconds, run.warm_up)
    return float(figures["requests"] / figures["seconds"])


def memory(run: Run) -> None:
    if not run.wants("memory"):
        return
    found = run.results.setdefault("memory", {})
    with servers.milepost(run.folder("store")) as server:
        time.sleep(1)
        found["idle"] = _now(server)
    run.say(f"memory: idle {found['idle']['rss'] / 1e6:.1f} MB")

    requests = load.write_requests(run.directory / "requests", LARGE_WRITES.requests())
    directory = run.folder("store")
    with servers.milepost(directory) as server:
        figures = measured([server], requests, CONNECTIONS, run.seconds, run.warm_up)
        found["clients_64_of_256_kib"] = {name: figures[name] for name in ("peak_rss", "peak_anonymous")}
        time.sleep(2)
        found["after"] = _now(server)
    servers.remove(directory)
    run.say(f"memory: 64 clients of 256 KiB {figures['peak_rss'] / 1e6:.1f} MB")
    if run.full:
        found["bodies_100_of_32_mib"] = _large_bodies(run)
        large = found["bodies_100_of_32_mib"]
        run.say(f"memory: 100 bodies of 32 MiB {large['peak_rss'] / 1e6:,.0f} MB, {large['statuses']}")


def _now(server: servers.Server) -> dict[str, int]:
    usage = processes.memory(server.pid)
    return {"rss": usage["Rss"], "pss": usage["Pss"], "anonymous": usage["Anonymous"]}


def _large_bodies(run: Run) -> dict[str, Any]:
    """A hundred clients send 32 MiB each at the same time; those that are told to come back later do not."""
    path, _, text = put_writes_line((BODY_BLOB,), "1f0a2b3c-4d5e-6f70-8123-456789abcdef").partition(" ")
    # All clients send the same 45 MB, from one place in memory; only the thread before it differs.
    start, _, end = (part.encode() for part in text.partition("@T@"))
    del text
    answers: list[tuple[str, bool]] = []
    directory = run.folder("store")
    with servers.milepost(directory) as server:

        def send(number: int) -> None:
            answers.append(_post_large(server.port, path, start + f"thread-{number:03}".encode(), end))

        clients = [threading.Thread(target=send, args=(number,)) for number in range(BODIES)]
        with processes.AnonymousPeak(server.pid) as anonymous:
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        peak = processes.peak_rss(server.pid)
    servers.remove(directory)
    return {
        "peak_rss": peak,
        "peak_anonymous": anonymous.bytes,
        "statuses": dict(collections.Counter(status for status, _ in answers)),
        "unavailable_with_retry_after": sum(status == "503" and has_retry_after for status, has_retry_after in answers),
    }


def _post_large(port: int, path: str, start: bytes, end: bytes) -> tuple[str, bool]:
    """The answer's status, and whether it says when to come back.

    A server that has no room answers before it has the body, and may close: then the rest is not sent.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {"content-type": "application/json", "content-length": str(len(start) + len(end))}

    def parts() -> Iterator[bytes | memoryview]:
        yield start
        for place in range(0, len(end), PART):
            if select.select([connection.sock], [], [], 0)[0]:
                return
            yield memoryview(end)[place : place + PART]

    with contextlib.closing(connection):
        connection.connect()
        try:
            connection.request("POST", path, parts(), headers)
        except OSError:
            pass  # Closed while a part was on its way; the answer may have come before that.
        try:
            response = connection.getresponse()
        except (OSError, http.client.HTTPException):
            return "closed", False
        return str(response.status), response.getheader("retry-after") is not None
