"""A LangGraph graph of 50 steps, and the history of one of 200, with each saver as its users have it.

Every saver is made once, in a process of its own, with its own serialising. The contenders take turns, one graph each,
and begin with another one in every turn: what a disk or a machine does meanwhile, it does to all of them.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import processes
import servers
from run import Run
from throughput import ON_POSTGRES, Peer

AGENTEX = "agentex"
# Its list has no blobs. LangGraph rebuilds what has a reducer from the writes, with two more calls a state, and leaves the
# other values out: whoever wants those must fetch each state too.
EACH = "agentex-each"
# The order in which they take turns. agentex-sdk's saver has Milepost on SQLite, as ours has.
CONTENDERS = ("postgres", ON_POSTGRES, "sqlite", "milepost", AGENTEX)
STEPS, STATES = 50, 200
WARM_UP = 2
TURNS_A_ROUND = 4


@dataclass(frozen=True)
class Workload:
    """What the program is asked for."""

    name: str
    do: str
    values: dict[str, Any]
    contenders: tuple[str, ...] = CONTENDERS


ASYNC = Workload(f"{STEPS} steps, durability async", "steps", {"steps": STEPS, "durability": "async"})
SYNC = Workload(f"{STEPS} steps, durability sync", "steps", {"steps": STEPS, "durability": "sync"})
# Most of the time of the first goes into decoding 20,000 messages, which no saver can spare itself.
HISTORY = Workload(f"history of {STATES} steps", "history", {"steps": STATES}, (*CONTENDERS, EACH))
PLAIN = Workload("the same without messages", "history", {"steps": STATES, "messages": False}, (*CONTENDERS, EACH))
HISTORIES = (HISTORY, PLAIN)
WORKLOADS = (ASYNC, SYNC, *HISTORIES)


@dataclass(frozen=True)
class Contender:
    """The program with its saver, and the processes that serve it."""

    name: str
    peer: Peer
    served_by: tuple[int, ...]

    def ask(self, workload: Workload) -> dict[str, Any]:
        before = self._served()
        values = workload.values | ({"each": self.name == EACH} if workload in HISTORIES else {})
        answer = self.peer.ask(workload.do, **values)
        return {**answer, "server_cpu_seconds": self._served() - before}

    def _served(self) -> float:
        return sum(processes.tree_cpu_seconds(pid) for pid in self.served_by)


def measure(run: Run, cluster: servers.Cluster) -> None:
    for workload in WORKLOADS:
        names = [name for name in workload.contenders if run.wants(f"graph: {workload.name}, {name}")]
        if not names:
            continue
        with contextlib.ExitStack() as stack:
            running = {name: stack.enter_context(_contender(run, name, cluster)) for name in names}
            _take_turns(run, workload, running)
    _compare(run.results.get("graphs", []))


def _take_turns(run: Run, workload: Workload, running: dict[str, Contender]) -> None:
    names = list(running)
    for contender in running.values():
        for _ in range(WARM_UP):
            contender.ask(workload)
    for turn in range(run.rounds * TURNS_A_ROUND):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            row = {"workload": workload.name, "contender": name, "turn": turn, **running[name].ask(workload)}
            run.results.setdefault("graphs", []).append(row)
    for name in names:
        rows = [row for row in run.results["graphs"] if (row["workload"], row["contender"]) == (workload.name, name)]
        milliseconds = sorted(row["seconds"] * 1000 for row in rows)
        run.say(f"graph, {workload.name}: {name} {milliseconds[len(rows) // 2]:.0f} ms")


@contextlib.contextmanager
def _contender(run: Run, name: str, cluster: servers.Cluster) -> Iterator[Contender]:
    """With a new store."""
    with contextlib.ExitStack() as stack:
        directory = run.folder("graph")
        stack.callback(servers.remove, directory)
        served_by: tuple[int, ...] = ()
        if name == "sqlite":
            address = str(directory / "store.db")
        elif name == "postgres":
            address, served_by = stack.enter_context(cluster.database()).url, (cluster.pid,)
        else:
            store = stack.enter_context(cluster.database()) if name == ON_POSTGRES else directory / "store"
            server = stack.enter_context(servers.milepost(store))
            address = f"http://127.0.0.1:{server.port}"
            served_by = (server.pid, cluster.pid) if name == ON_POSTGRES else (server.pid,)
        kind = {ON_POSTGRES: "milepost", EACH: AGENTEX}.get(name, name)
        log = run.directory / f"graph-{name}.log"
        yield Contender(name, stack.enter_context(Peer(name, [kind, address], log, "graph_client.py")), served_by)


def _compare(rows: list[dict[str, Any]]) -> None:
    """Ends the benchmark when a saver gave other states than the rest: its time would mean nothing.

    agentex-sdk's history is the exception: it lacks values, which is why each state is fetched too.
    """
    names = [workload.name for workload in HISTORIES]
    digests: dict[str, dict[str, str]] = {}
    for row in rows:
        is_history = row["workload"] in names
        if not is_history or row["contender"] != AGENTEX:
            found = digests.setdefault(row["workload"] if is_history else "", {})
            found.setdefault(row["digest"], f"{row['contender']}, {row['workload']}")
    for found in digests.values():
        if len(found) > 1:
            raise RuntimeError(f"not the same states: {'; '.join(found.values())}")
