"""What the project set out to reach, and what this run says about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import graph_results
from graphs import HISTORIES, STEPS, Workload
from run import median
from throughput import ON_POSTGRES, PGBENCH, TWO_ON_POSTGRES
from workloads import FOUR_WRITES, GET_TUPLE, LIST, SAME_THREADS, SMALL_WRITES, Workload

Results = dict[str, Any]
DEPTHS = ("in the middle", "at the bottom")


@dataclass(frozen=True)
class Target:
    """A figure and its limit: `at_least`, or at most."""

    name: str
    figure: Callable[[Results], float | None]
    limit: float
    at_least: bool = False

    def is_met(self, figure: float) -> bool:
        return figure >= self.limit if self.at_least else figure <= self.limit


def point(results: Results, contender: str, workload: str, concurrency: int) -> dict[str, Any] | None:
    """The medians of one point of the throughput table."""
    place = (contender, workload, concurrency)
    rows = [
        row
        for row in results.get("throughput", [])
        if (row["contender"], row["workload"], row["concurrency"]) == place
    ]
    return median(rows) if rows else None


def ratio(
    results: Results, contender: str, workload: Workload, concurrency: int, yardstick: str = "bare"
) -> float | None:
    """Requests per second as a share of the bare server's, or of another's."""
    one, other = (point(results, name, workload.name, concurrency) for name in (contender, yardstick))
    return one["requests_per_second"] / other["requests_per_second"] if one and other else None


def fdatasync(results: Results) -> dict[str, Any] | None:
    return median(results["fdatasync"]) if results.get("fdatasync") else None


def _tail(results: Results) -> float | None:
    found = point(results, "milepost", SMALL_WRITES.name, 64)
    return found["p99_us"] / found["p50_us"] if found else None


def _against_disk(results: Results) -> float | None:
    found, disk = point(results, "milepost", SMALL_WRITES.name, 1), fdatasync(results)
    return found["p50_us"] / disk["p50_us"] if found and disk else None


def growth(results: Results, name: str) -> float | None:
    """The grown file's requests per second as a share of those of an empty or small one, for the same requests."""
    rows = results.get("growth", {}).get("rows", [])
    files = [[row for row in rows if (row["name"], row["file"]) == (name, file)] for file in ("grown", "small")]
    if not all(files):
        return None
    grown, small = (median(file)["requests_per_second"] for file in files)
    return float(grown / small)


def long_thread(results: Results, name: str, other: str) -> float | None:
    """The p50 of one request as a share of another's."""
    rows = results.get("growth", {}).get("long_thread", [])
    found = [[row for row in rows if row["name"] == one] for one in (name, other)]
    if not all(found):
        return None
    one, two = (median(group)["p50_us"] for group in found)
    return float(one / two)


def stored(results: Results, name: str, contender: str = "milepost") -> dict[str, Any] | None:
    rows = results.get("storage", [])
    return next((row for row in rows if row["name"].startswith(name) and row["contender"] == contender), None)


def _share_on_disk(name: str) -> Callable[[Results], float | None]:
    def share(results: Results) -> float | None:
        found = stored(results, name)
        return found["files"] / found["raw_blobs"] if found else None

    return share


def _over_raw(figure: str) -> Callable[[Results], float | None]:
    """CPU of the conversation beyond that of the same puts of random bytes, which nothing can make smaller."""

    def extra(results: Results) -> float | None:
        text, raw = stored(results, "conversation"), stored(results, "random bytes")
        return float(text[figure] - raw[figure]) if text and raw else None

    return extra


def _memory(section: str, figure: str) -> Callable[[Results], float | None]:
    def megabytes(results: Results) -> float | None:
        found = results.get("memory", {}).get(section)
        return found[figure] / 1e6 if found else None

    return megabytes


def _of_bare(workload: Workload) -> Callable[[Results], float | None]:
    return lambda results: ratio(results, "milepost", workload, 64)


def _of_yardstick(
    contender: str, workload: Workload, concurrency: int, yardstick: str
) -> Callable[[Results], float | None]:
    return lambda results: ratio(results, contender, workload, concurrency, yardstick)


def _of_small(name: str) -> Callable[[Results], float | None]:
    return lambda results: growth(results, name)


def _of_other(name: str, other: str) -> Callable[[Results], float | None]:
    return lambda results: long_thread(results, name, other)


def _history_of(workload: Workload) -> Callable[[Results], float | None]:
    return lambda results: graph_results.history_ratio(results, workload)


def _graph_on(contender: str) -> Callable[[Results], float | None]:
    return lambda results: graph_results.graph_ratio(results, contender)


def _deepest_list(results: Results) -> float | None:
    depths = [long_thread(results, f"list of 10, {depth}", "list of 10, at the top") for depth in DEPTHS]
    found = [share for share in depths if share is not None]
    return max(found) if found else None


TARGETS = (
    Target("put-writes 1 × 256 B at c=64, of the bare server's rate", _of_bare(SMALL_WRITES), 0.75, True),
    Target("the same, p99 over p50", _tail, 4),
    Target("put-writes 1 × 256 B at c=1, p50 over that of an fdatasync", _against_disk, 3),
    Target("get-tuple at c=64, of the bare server's rate", _of_bare(GET_TUPLE), 0.5, True),
    Target("list of 10 at c=64, of the bare server's rate", _of_bare(LIST), 0.4, True),
    Target("put-writes 4 × 2 KiB at c=64, of the bare server's rate", _of_bare(FOUR_WRITES), 0.25, True),
    Target(
        "put-writes 1 × 256 B on PostgreSQL at c=64, of pgbench's rate",
        _of_yardstick(ON_POSTGRES, SMALL_WRITES, 64, PGBENCH),
        1,
        True,
    ),
    Target(
        "the same by two processes over one database, of one's rate",
        _of_yardstick(TWO_ON_POSTGRES, SMALL_WRITES, 64, ON_POSTGRES),
        1,
        True,
    ),
    Target(
        "get-tuple on PostgreSQL at c=16, of AsyncPostgresSaver's rate",
        _of_yardstick(ON_POSTGRES, GET_TUPLE, 16, "postgres"),
        10,
        True,
    ),
    Target("put-writes with 1 M writes in the file, of an empty one's rate", _of_small("put-writes"), 0.8, True),
    Target("get-tuple with 1 M writes in the file, of the same threads alone", _of_small(SAME_THREADS), 0.8, True),
    Target(
        "get-tuple of the latest of 100,000 checkpoints, p50 over that of 10",
        _of_other("get-tuple, latest of 100,000", "get-tuple, latest of 10"),
        1.3,
    ),
    Target("list at any depth of 100,000 checkpoints, p50 over that at the top", _deepest_list, 1.3),
    Target("the conversation on disk, of its raw bytes", _share_on_disk("conversation"), 1 / 50),
    Target("the same, CPU ms a put over random bytes", _over_raw("put_cpu_ms"), 0.3),
    Target("the same, CPU ms a get over random bytes", _over_raw("get_cpu_ms"), 0.3),
    Target("random bytes on disk, of their raw bytes", _share_on_disk("random bytes"), 1.05),
    Target(f"{STEPS} steps on PostgreSQL, times as fast as AsyncPostgresSaver", _graph_on(ON_POSTGRES), 1, True),
    Target("the same on SQLite", _graph_on("milepost"), 1, True),
    *(Target(f"{one.name}, times as fast as agentex-sdk's saver", _history_of(one), 10, True) for one in HISTORIES),
    Target("memory at rest, MB", _memory("idle", "rss"), 25),
    Target("memory with 64 clients of 256 KiB, MB", _memory("clients_64_of_256_kib", "peak_rss"), 150),
    Target("memory with 100 bodies of 32 MiB, MB", _memory("bodies_100_of_32_mib", "peak_rss"), 420),
)


def judged(results: Results) -> list[tuple[Target, float | None]]:
    return [(target, target.figure(results)) for target in TARGETS]
