"""The table at the end of a run."""

import itertools
from typing import Any

import graph_results
import targets
from run import median, spread
from throughput import CONTENDERS, LOGGING, ON_POSTGRES, PGBENCH, TWO_ON_POSTGRES

NAMES = {
    "bare": "bare Hummingbird",
    "milepost": "Milepost",
    ON_POSTGRES: "Milepost on PostgreSQL",
    TWO_ON_POSTGRES: "two of them over one database",
    PGBENCH: "pgbench",
    "postgres": "AsyncPostgresSaver",
    "sqlite": "AsyncSqliteSaver",
    LOGGING: "Milepost, logging each request",
}


def points(results: dict[str, Any]) -> list[tuple[tuple[str, int], dict[str, list[dict[str, Any]]]]]:
    """For each workload and concurrency, the rounds of each contender."""
    rows = results.get("throughput", [])
    found = []
    for place, group in itertools.groupby(rows, key=lambda row: (row["workload"], row["concurrency"])):
        rounds = list(group)
        contenders = {name: [row for row in rounds if row["contender"] == name] for name in CONTENDERS}
        found.append((place, {name: one for name, one in contenders.items() if one}))
    return found


def printed(results: dict[str, Any]) -> str:
    parts = (_throughput, _offered_rate, _growth, _storage, graph_results.printed, _rest)
    return "\n".join(line for part in parts for line in part(results))


def _throughput(results: dict[str, Any]) -> list[str]:
    lines = [
        f"{'':30} {'c':>4}  {'':30} {'req/s':>9} {'of bare':>8} {'spread':>7} {'p50 ms':>9} {'p99 ms':>9} "
        f"{'CPU µs':>8} {'peak MB':>8}"
    ]
    for (workload, concurrency), contenders in points(results):
        bare = median(contenders["bare"])["requests_per_second"] if "bare" in contenders else None
        for name, rows in contenders.items():
            one = median(rows)
            scatter = spread([row["requests_per_second"] for row in rows])
            share = f"{one['requests_per_second'] / bare:8.3f}" if bare else f"{'':8}"
            lines.append(
                f"{workload:30} {concurrency:>4}  {NAMES[name]:30} {one['requests_per_second']:>9,.0f} {share} "
                f"{scatter:>7.0%} {one['p50_us'] / 1000:>9.2f} {one['p99_us'] / 1000:>9.2f} {one['cpu_us']:>8.0f} "
                f"{one['peak_rss'] / 1e6:>8.1f}"
            )
    return lines if len(lines) > 1 else []


def _offered_rate(results: dict[str, Any]) -> list[str]:
    lines = []
    for contender in ("bare", "milepost"):
        rows = [row for row in results.get("offered_rate", []) if row["contender"] == contender]
        if rows:
            one = median(rows)
            figures = ", ".join(f"{name} {one[key] / 1000:.2f}" for name, key in PERCENTILES)
            lines.append(f"put-writes 1 × 256 B at {one['offered']:,.0f}/s, {NAMES[contender]}: {figures} ms")
    return ["", *lines] if lines else []


PERCENTILES = (("p50", "p50_us"), ("p90", "p90_us"), ("p99", "p99_us"), ("p99.9", "p999_us"), ("max", "max_us"))


def growth_rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Medians of what was measured in grown files, in the order of the first round."""
    found = results.get("growth", {})
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found.get("rows", []) + found.get("long_thread", []):
        groups.setdefault((row["name"], row["file"]), []).append(row)
    return [median(rows) for rows in groups.values()]


def _growth(results: dict[str, Any]) -> list[str]:
    lines = [
        f"{row['name']} ({row['file']}): {row['requests_per_second']:,.0f}/s, p50 {row['p50_us'] / 1000:.3f} ms, "
        f"p99 {row['p99_us'] / 1000:.3f} ms"
        for row in growth_rows(results)
    ]
    return ["", *lines] if lines else []


def _storage(results: dict[str, Any]) -> list[str]:
    lines = []
    for row in results.get("storage", []):
        text = f"{row['name']}, {NAMES[row['contender']]}: {row['files'] / 1e6:.2f} MB on disk, {row['seconds']:.1f} s"
        if "raw" in row:
            text += (
                f", of {row['raw'] / 1e6:.2f} MB (1/{row['raw'] / row['files']:.1f}), {row['files_open'] / 1e6:.2f} MB "
                f"while open; CPU {row['put_cpu_ms']:.2f} ms a put, {row['get_cpu_ms']:.2f} ms a get"
            )
        elif row["wal"]:
            text += f", and {row['wal'] / 1e6:.2f} MB of WAL written"
        lines.append(text)
    return ["", *lines] if lines else []


SIZES = ("rss", "pss", "anonymous", "peak_rss", "peak_anonymous")


def answers(figures: dict[str, Any]) -> str:
    """How often each status was answered, and whether those who must come back were told when."""
    statuses = figures.get("statuses", {})
    parts = [f"{count} × {status}" for status, count in sorted(statuses.items())]
    if "503" in statuses:
        told = figures["unavailable_with_retry_after"]
        parts.append("each 503 with retry-after" if told == statuses["503"] else f"only {told} 503s with retry-after")
    return ", ".join(parts)


def _rest(results: dict[str, Any]) -> list[str]:
    lines = []
    for name, figures in results.get("memory", {}).items():
        sizes = ", ".join(f"{key} {figures[key] / 1e6:.1f} MB" for key in SIZES if key in figures)
        lines.append(f"memory, {name.replace('_', ' ')}: {sizes} {answers(figures)}".rstrip())
    disk = targets.fdatasync(results)
    if disk:
        lines.append(f"fdatasync of 600 B: p50 {disk['p50_us'] / 1000:.3f} ms, p99 {disk['p99_us'] / 1000:.3f} ms")
    for name, count in results.get("instructions", {}).items():
        lines.append(f"instructions, {name}: {count:,}")
    for target, figure in targets.judged(results):
        if figure is not None:
            word, sign = "met" if target.is_met(figure) else "MISSED", "≥" if target.at_least else "≤"
            lines.append(f"target {word}: {target.name}: {figure:.3g} ({sign} {target.limit:.3g})")
    return ["", *lines] if lines else []
