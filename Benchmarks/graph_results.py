"""What graphs.py found: medians, ratios of the same turn, and the lines and rows that say so."""

import itertools
import statistics
from typing import Any

from graphs import AGENTEX, ASYNC, EACH, Workload
from run import median, spread
from throughput import ON_POSTGRES

Results = dict[str, Any]
NAMES = {
    "postgres": "AsyncPostgresSaver",
    ON_POSTGRES: "AsyncMilepostSaver, on PostgreSQL",
    "sqlite": "AsyncSqliteSaver",
    "milepost": "AsyncMilepostSaver, on SQLite",
    AGENTEX: "agentex-sdk's, over Milepost",
    EACH: "the same, each state fetched",
}


def points(results: Results) -> list[tuple[str, dict[str, list[dict[str, Any]]]]]:
    """For each workload, the turns of each contender."""
    found = []
    for workload, group in itertools.groupby(results.get("graphs", []), key=lambda row: row["workload"]):
        rows = list(group)
        contenders = {name: [row for row in rows if row["contender"] == name] for name in NAMES}
        found.append((workload, {name: turns for name, turns in contenders.items() if turns}))
    return found


def times_as_fast(results: Results, workload: str, contender: str, other: str) -> float | None:
    """The other's time over the contender's: the median over the turns, in each of which both were measured."""
    contenders = dict(points(results)).get(workload, {})
    pairs = zip(contenders.get(contender, []), contenders.get(other, []))
    ratios = [two["seconds"] / one["seconds"] for one, two in pairs]
    return statistics.median(ratios) if ratios else None


def printed(results: Results) -> list[str]:
    lines = []
    for workload, contenders in points(results):
        for name, turns in contenders.items():
            one = median(turns)
            scatter = spread([row["seconds"] for row in turns])
            share = times_as_fast(results, workload, name, "postgres")
            compared = f"{share:8.2f}" if share else f"{'':8}"
            lines.append(
                f"{workload:27} {NAMES[name]:33} {one['seconds'] * 1000:>9.1f} {compared} {scatter:>7.0%} "
                f"{one['cpu_seconds'] * 1000:>9.1f} {one['server_cpu_seconds'] * 1000:>9.1f}"
            )
    head = f"{'':27} {'':33} {'ms':>9} {'× fast':>8} {'spread':>7} {'CPU ms':>9} {'server':>9}"
    return ["", head, *lines] if lines else []


def tabled(results: Results) -> list[str]:
    """The rows of a Markdown table."""
    lines = []
    for workload, contenders in points(results):
        for number, (name, turns) in enumerate(contenders.items()):
            one = median(turns)
            share = times_as_fast(results, workload, name, "postgres")
            figures = [one["seconds"], one["cpu_seconds"], one["server_cpu_seconds"]]
            wall, own, server = (f"{seconds * 1000:,.0f}" for seconds in figures)
            compared = f"{share:.2f}" if share else ""
            scatter = f"{spread([row['seconds'] for row in turns]):.0%}"
            lines.append(
                f"| {workload if number == 0 else ''} | {NAMES[name]} | {wall} | {compared} | {scatter} | {own} | "
                f"{server if server != '0' else ''} |"
            )
    return lines


def graph_ratio(results: Results, contender: str) -> float | None:
    return times_as_fast(results, ASYNC.name, contender, "postgres")


def history_ratio(results: Results, workload: Workload) -> float | None:
    return times_as_fast(results, workload.name, "milepost", AGENTEX)
