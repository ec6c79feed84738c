"""Requests per second, latency and CPU of the contenders, one after the other in each round."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import load
import pgbench
import servers
from measurement import measured
from run import Run
from workloads import SMALL_WRITES, WORKLOADS, Workload

CLIENT = servers.ROOT / "clients/python/src"
PEERS = ("postgres", "sqlite")
ON_POSTGRES = "milepost-postgres"
# Two Mileposts over one database, each with half of the connections.
TWO_ON_POSTGRES = "milepost-postgres, two"
# PostgreSQL by itself, without HTTP.
PGBENCH = "postgres, pgbench"
# Milepost with one log line a request, as it comes.
LOGGING = "milepost, logging"
# In the order in which they take turns: those that are compared with each other follow each other.
CONTENDERS = ("bare", "milepost", ON_POSTGRES, TWO_ON_POSTGRES, PGBENCH, *PEERS, LOGGING)
AT_ONE_POINT = (TWO_ON_POSTGRES, PGBENCH, LOGGING)
OVER_A_DATABASE = (ON_POSTGRES, TWO_ON_POSTGRES, PGBENCH)


class Peer:
    """The process of peers.py or another script, and what to ask it."""

    def __init__(self, name: str, arguments: list[str], log: Path, script: str = "peers.py") -> None:
        self.name = name
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(servers.ROOT / "Benchmarks" / script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(CLIENT)},
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
        points = {concurrency: _contenders(run, workload, concurrency) for concurrency in workload.concurrencies}
        wanted = set(itertools.chain(*points.values()))
        if not wanted:
            continue
        requests = load.write_requests(run.directory / "requests", workload.requests())
        with contextlib.ExitStack() as stack:
            peers = {name: stack.enter_context(peer(run, name, cluster)) for name in PEERS if name in wanted}
            run.results.setdefault("peer_settings", {}).update({name: one.settings for name, one in peers.items()})
            prepared: dict[str, servers.Store] = {}
            if workload.is_read:
                stored = [name for name in ("milepost", ON_POSTGRES) if name in wanted]
                prepared = {name: stack.enter_context(_store(run, name, cluster)) for name in stored}
                _prepare(run, workload, prepared, peers)
            for concurrency, contenders in points.items():
                for number in range(run.rounds):
                    if workload is SMALL_WRITES and concurrency == 1:
                        run.probe_disk()
                    for contender in contenders:
                        place = {"workload": workload.name, "concurrency": concurrency, "round": number}
                        if contender in peers:
                            figures = _peer_figures(run, peers[contender], workload, concurrency)
                        elif contender in prepared:
                            figures = _server_figures(run, contender, requests, concurrency, prepared[contender])
                        else:
                            with _store(run, contender, cluster) as store:
                                figures = _server_figures(run, contender, requests, concurrency, store)
                        figures["requests_per_second"] = figures["requests"] / figures["seconds"]
                        rows.append({"contender": contender, **place, **figures})
                        _say(run, rows[-1])


def _contenders(run: Run, workload: Workload, concurrency: int) -> list[str]:
    return [
        contender
        for contender in CONTENDERS
        if _takes_part(contender, workload, concurrency) and run.wants(f"{workload.name}, {contender}")
    ]


def _takes_part(contender: str, workload: Workload, concurrency: int) -> bool:
    if contender == ON_POSTGRES:
        return concurrency in workload.on_postgres
    if contender in AT_ONE_POINT:
        return workload is SMALL_WRITES and concurrency == 64
    return concurrency <= 64 or contender in ("bare", "milepost")


@contextlib.contextmanager
def _store(run: Run, contender: str, cluster: servers.Cluster) -> Iterator[servers.Store]:
    """A new and empty one."""
    if contender in OVER_A_DATABASE:
        with cluster.database() as database:
            yield database
    else:
        directory = run.folder("store")
        yield directory
        servers.remove(directory)


def _prepare(run: Run, workload: Workload, stores: dict[str, servers.Store], peers: dict[str, Peer]) -> None:
    """The same threads in every store."""
    run.say(f"preparing {workload.name}")
    for store in stores.values():
        with servers.milepost(store) as server:
            prepare(server, workload, workload.threads, run.directory / "preparation")
    for one in peers.values():
        one.ask("prepare", workload=workload.name)


def prepare(server: servers.Server, workload: Workload, threads: int, file: Path) -> None:
    lines = workload.preparation()
    requests = load.write_requests(file, lines)
    for _ in range(workload.depth):
        load.fill(server, requests, threads * len(lines))


def _server_figures(
    run: Run, contender: str, requests: Path, connections: int, store: servers.Store
) -> dict[str, Any]:
    database = store if isinstance(store, servers.Database) else None
    if contender == PGBENCH and database:
        return pgbench.measured(database, run.directory, connections, run.seconds, run.warm_up)
    with contextlib.ExitStack() as stack:
        if contender == "bare":
            running = [stack.enter_context(servers.bare(run.directory))]
        else:
            options = () if contender == LOGGING else servers.QUIET
            count = 2 if contender == TWO_ON_POSTGRES else 1
            running = [stack.enter_context(servers.milepost(store, options)) for _ in range(count)]
        return measured(running, requests, connections, run.seconds, run.warm_up, database)


def _peer_figures(run: Run, one: Peer, workload: Workload, concurrency: int) -> dict[str, Any]:
    seconds = {"seconds": run.peer_seconds, "warm_up": min(0.5, run.peer_seconds / 4)}
    return one.ask("measure", workload=workload.name, concurrency=concurrency, **seconds)


def _say(run: Run, row: dict[str, Any]) -> None:
    run.say(
        f"{row['workload']}, c={row['concurrency']}, round {row['round'] + 1}: {row['contender']} "
        f"{row['requests_per_second']:,.0f}/s, p50 {row['p50_us'] / 1000:.2f} ms, p99 {row['p99_us'] / 1000:.2f} ms, "
        f"CPU {row['cpu_us']:.0f} µs"
    )
