"""Requests per second, latency and CPU of the four contenders, one after the other in each round."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import load
import servers
from measurement import measured
from run import Run
from workloads import SMALL_WRITES, WORKLOADS, Workload

PEERS = ("postgres", "sqlite")
CONTENDERS = ("bare", "milepost", *PEERS)
# Milepost with one log line a request, as it comes; measured at one point.
LOGGING = "milepost, logging"


class Peer:
    """The process of peers.py, and what to ask it."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        script = Path(__file__).absolute().parent / "peers.py"
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )
        self.settings = self._answer()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        print(json.dumps({"do": do, **values}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        text = self._process.stdout.readline()  # type: ignore[union-attr]
        if not text:
            raise RuntimeError(f"the process of {self.name} ended: {self._log.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(text)
        return answer


def peer(run: Run, name: str, cluster: servers.Cluster) -> Peer:
    where = [str(cluster.port), str(cluster.pid)] if name == "postgres" else []
    return Peer(name, [name, str(run.folder("peer")), *where], run.directory / f"{name}.log")


def measure(run: Run, cluster: servers.Cluster) -> None:
    rows: list[dict[str, Any]] = run.results.setdefault("throughput", [])
    for workload in WORKLOADS:
        if not run.wants(workload.name):
            continue
        requests = load.write_requests(run.directory / "requests", workload.requests())
        with contextlib.ExitStack() as stack:
            peers = {name: stack.enter_context(peer(run, name, cluster)) for name in PEERS}
            run.results.setdefault("peer_settings", {}).update({name: one.settings for name, one in peers.items()})
            prepared = _prepare(run, workload, peers) if workload.is_read else None
            for concurrency in workload.concurrencies:
                for number in range(run.rounds):
                    if workload is SMALL_WRITES and concurrency == 1:
                        run.probe_disk()
                    for contender in _contenders(workload, concurrency):
                        place = {"workload": workload.name, "concurrency": concurrency, "round": number}
                        if contender in peers:
                            figures = _peer_figures(run, peers[contender], workload, concurrency)
                        else:
                            figures = _server_figures(run, contender, requests, concurrency, prepared)
                        figures["requests_per_second"] = figures["requests"] / figures["seconds"]
                        rows.append({"contender": contender, **place, **figures})
                        _say(run, rows[-1])
            if prepared:
                servers.remove(prepared)


def _contenders(workload: Workload, concurrency: int) -> tuple[str, ...]:
    if workload is SMALL_WRITES and concurrency == 64:
        return (*CONTENDERS, LOGGING)
    if concurrency > 64:
        return ("bare", "milepost")
    return CONTENDERS


def _prepare(run: Run, workload: Workload, peers: dict[str, Peer]) -> Path:
    """The same threads in every store."""
    run.say(f"preparing {workload.name}")
    directory = run.folder("prepared")
    with servers.milepost(directory) as server:
        prepare(server, workload, workload.threads, run.directory / "preparation")
    for one in peers.values():
        one.ask("prepare", workload=workload.name)
    return directory


def prepare(server: servers.Server, workload: Workload, threads: int, file: Path) -> None:
    lines = workload.preparation()
    requests = load.write_requests(file, lines)
    for _ in range(workload.depth):
        load.fill(server, requests, threads * len(lines))


def _server_figures(
    run: Run, contender: str, requests: Path, connections: int, prepared: Path | None
) -> dict[str, Any]:
    """A write finds an empty store each time; a read the prepared one."""
    directory = prepared or run.folder("store")
    if contender == "bare":
        starting = servers.bare(run.directory)
    else:
        starting = servers.milepost(directory, servers.QUIET if contender == "milepost" else ())
    with starting as server:
        figures = measured(server, requests, connections, run.seconds, run.warm_up)
    if prepared is None:
        servers.remove(directory)
    return figures


def _peer_figures(run: Run, one: Peer, workload: Workload, concurrency: int) -> dict[str, Any]:
    seconds = {"seconds": run.peer_seconds, "warm_up": min(0.5, run.peer_seconds / 4)}
    return one.ask("measure", workload=workload.name, concurrency=concurrency, **seconds)


def _say(run: Run, row: dict[str, Any]) -> None:
    run.say(
        f"{row['workload']}, c={row['concurrency']}, round {row['round'] + 1}: {row['contender']} "
        f"{row['requests_per_second']:,.0f}/s, p50 {row['p50_us'] / 1000:.2f} ms, p99 {row['p99_us'] / 1000:.2f} ms, "
        f"CPU {row['cpu_us']:.0f} µs"
    )
