"""`make bench-report`: docs/benchmarks.md and its charts from the results of a run; every figure comes from there."""

import itertools
import json
import statistics
import sys
import textwrap
from pathlib import Path
from typing import Any

import charts
import graph_results
import table
import targets
import verdict
from run import median, spread
from table import NAMES, points
from throughput import LOGGING, ON_POSTGRES, OVER_A_DATABASE, PEERS, PGBENCH

ROOT = Path(__file__).absolute().parent.parent
IMAGES = ROOT / "docs/images"
NOTES = ROOT / "Benchmarks/notes.md"
Results = dict[str, Any]
CHARTED = ("bare", "milepost", ON_POSTGRES, *PEERS)


def main(arguments: list[str]) -> int:
    source = Path(arguments[0]) if arguments else ROOT / "Benchmarks/results.json"
    if not source.exists():
        print(f"bench-report: there is no {source.name}; make bench writes it", file=sys.stderr)
        return 1
    results = json.loads(source.read_text(encoding="utf-8"))
    IMAGES.mkdir(parents=True, exist_ok=True)
    sections = ["# Benchmarks", *(part(results) for part in PARTS), _notes()]
    text = "\n\n".join(section for section in sections if section) + "\n"
    (ROOT / "docs/benchmarks.md").write_text(text, encoding="utf-8")
    return 0


def _verdict(results: Results) -> str:
    return _wrapped(verdict.paragraph(results))


def _head(results: Results) -> str:
    machine, settings = results["machine"], results["settings"]
    versions = machine["versions"]
    given = f' ARGS="{" ".join(settings["arguments"])}"' if settings["arguments"] else ""
    named = ("milepost", "commit", "swift")
    used = ", ".join(f"{name} {version}" for name, version in versions.items() if name not in named)
    disk = targets.fdatasync(results)
    sync = f" An fdatasync of a 600-byte append took {_ms(disk['p50_us'])} ms (p50) during the run." if disk else ""
    rounds = [rows for _, contenders in points(results) for rows in contenders.values()]
    spreads = [spread([row["requests_per_second"] for row in rows]) for rows in rounds]
    apart = (statistics.median(spreads), max(spreads)) if spreads else (0, 0)
    return "## How it was measured\n\n" + _wrapped(
        f"""Made by `make bench-report` from `Benchmarks/results.json`, which `make bench{given}` wrote on
        {machine["date"]}: every figure below was measured in that one run. To repeat it, run the same command on a
        machine that does nothing else. `make bench ARGS=--help` lists the options.""",
        f"""Milepost {versions["milepost"]} (commit {versions["commit"]}, {versions["swift"]}) on {machine["cores"]}
        cores ({machine["processor"]}), {machine["memory_bytes"] / 2**30:.0f} GiB, Linux {machine["kernel"]}; {used}.
        Servers, stores and load generators share the machine, over loopback. Load before the run:
        {machine["load_before"]:.2f}.{sync}""",
        f"""- **Rounds.** Each point is measured {settings["rounds"]} × {settings["seconds"]} s
        ({settings["peer_seconds"]} s for the savers) after {settings["warm_up_seconds"]} s of warm-up, the contenders
        taking turns; figures are medians. The rounds of a point lie {apart[0]:.0%} apart at the median, {apart[1]:.0%}
        at most.""",
        """- **Bare Hummingbird** collects the body of any request and answers 204: the yardstick, with the same client
        and the same bodies.""",
        f"""- **Milepost** runs as `milepost {" ".join(settings["milepost"])}` on SQLite, on a new file for each
        measurement of a write, every write synced before it is answered. Both servers are driven by wrk with
        {settings["wrk_threads"]} threads (one at c=1); each body has ids of its own: random thread ids, version 6
        UUIDs of the moment as checkpoint ids. Blobs are English-like text.""",
        f"""- **AsyncPostgresSaver** and **AsyncSqliteSaver** run in the Python process that calls them: no HTTP, and
        no serialising, as their serde leaves bytes alone. A saver holds a lock while it waits for PostgreSQL, so there
        are up to 16 of them, each on its own connection. PostgreSQL has the settings it comes with
        ({_settings(results, "postgres")}), SQLite those of the saver ({_settings(results, "sqlite")}). CPU and memory
        are those of the Python process, which is client and store in one, and of PostgreSQL's processes. `alist` also
        returns channel values and pending writes; the listed checkpoints have none.""",
    )


def _wrapped(*paragraphs: str) -> str:
    """Lines of at most 120 characters; a list's items stay together."""
    filled = [
        textwrap.fill(
            " ".join(paragraph.split()),
            120,
            subsequent_indent="  " if paragraph.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for paragraph in paragraphs
    ]
    text = filled[0]
    for before, after in itertools.pairwise(filled):
        text += ("\n" if before.startswith("- ") and after.startswith("- ") else "\n\n") + after
    return text


def _settings(results: Results, name: str) -> str:
    return ", ".join(f"{key} {value}" for key, value in results.get("peer_settings", {}).get(name, {}).items())


def _targets(results: Results) -> str:
    rows = []
    for target, figure in targets.judged(results):
        limit = f"{'≥' if target.at_least else '≤'} {target.limit:.3g}"
        outcome = "not measured" if figure is None else "met" if target.is_met(figure) else "**missed**"
        rows.append(f"| {target.name} | {limit} | {'' if figure is None else f'{figure:.3g}'} | {outcome} |")
    return "\n".join(["## What was aimed at", "", "| | limit | measured | |", "|---|--:|--:|---|", *rows])


def _throughput(results: Results) -> str:
    if not results.get("throughput"):
        return ""
    header = "| | c | | req/s | of bare | p50 ms | p99 ms | CPU µs a request | peak MB |"
    lines = ["## Requests per second and latency", "", *_throughput_charts(results), "", header]
    lines.append("|---|--:|---|--:|--:|--:|--:|--:|--:|")
    for (workload, concurrency), contenders in points(results):
        bare = median(contenders["bare"]) if "bare" in contenders else None
        tabled = [(name, rows) for name, rows in contenders.items() if name in (*CHARTED, LOGGING)]
        for number, (name, rows) in enumerate(tabled):
            one = median(rows)
            place = (workload, str(concurrency)) if number == 0 else ("", "")
            share = f"{one['requests_per_second'] / bare['requests_per_second']:.2f}" if bare else ""
            lines.append(
                f"| {place[0]} | {place[1]} | {NAMES[name]} | {one['requests_per_second']:,.0f} | {share} | "
                f"{_ms(one['p50_us'])} | {_ms(one['p99_us'])} | {one['cpu_us']:,.0f} | {one['peak_rss'] / 1e6:,.0f} |"
            )
    return "\n".join(lines)


def _throughput_charts(results: Results) -> list[str]:
    rates: charts.Groups = []
    latencies: charts.Groups = []
    for (workload, concurrency), contenders in points(results):
        if concurrency != 64:
            continue
        medians = {name: median(contenders[name]) for name in CHARTED if name in contenders}
        rates.append((workload, [_rate_mark(name, one) for name, one in medians.items()]))
        latencies.append((workload, [_latency_mark(name, one) for name, one in medians.items()]))
    if not rates:
        return []
    names = {name: NAMES[name] for name in CHARTED}
    _write("throughput.svg", charts.chart("Requests per second, 64 at a time", rates, names, "req/s, logarithmic"))
    _write("latency.svg", charts.chart("Latency from p50 to p99, 64 at a time", latencies, names, "ms, logarithmic"))
    return ["![Requests per second](images/throughput.svg)", "", "![Latency](images/latency.svg)"]


def _rate_mark(name: str, one: dict[str, Any]) -> charts.Mark:
    return charts.Mark(name, one["requests_per_second"], f"{one['requests_per_second']:,.0f}")


def _latency_mark(name: str, one: dict[str, Any]) -> charts.Mark:
    text = f"{_ms(one['p50_us'])} – {_ms(one['p99_us'])}"
    return charts.Mark(name, one["p50_us"] / 1000, text, end=one["p99_us"] / 1000)


def _on_postgres(results: Results) -> str:
    lines = []
    for (workload, concurrency), contenders in points(results):
        saver = median(contenders["postgres"]) if "postgres" in contenders else None
        for name in OVER_A_DATABASE:
            if name not in contenders:
                continue
            one = median(contenders[name])
            times = f"{one['requests_per_second'] / saver['requests_per_second']:.1f}" if saver else ""
            cpu, memory = one["cpu_us"] - one["server_cpu_us"], one["peak_rss"] - one["server_memory"]
            own = f"{cpu:,.0f} | {memory / 1e6:,.0f}" if name != PGBENCH else " | "
            lines.append(
                f"| {workload} | {concurrency} | {NAMES[name]} | {one['requests_per_second']:,.0f} | {times} | "
                f"{_ms(one['p50_us'])} | {_ms(one['p99_us'])} | {own} | {one['server_cpu_us']:,.0f} | "
                f"{one['server_memory'] / 1e6:,.0f} |"
            )
    if not lines:
        return ""
    text = """`milepost serve --store postgresql://…` over the PostgreSQL that AsyncPostgresSaver has, with a new
        database for each measurement of a write, which begins after a checkpoint. Two processes over one database share
        the connections, 32 each; their latency is that of the slower one. pgbench (`-M prepared -c 64 -j 2`) inserts
        what such a put-writes does into the tables that Milepost made: without HTTP, each insert a transaction of its
        own. CPU is that of one request. Memory is Milepost's peak, and of PostgreSQL what all its processes have under
        the load, shared pages counted once."""
    header = "| | c | | req/s | of AsyncPostgresSaver | p50 ms | p99 ms | CPU µs | MB | PostgreSQL's CPU µs | MB |"
    head = ["## On PostgreSQL", "", _wrapped(text), "", header, "|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    return "\n".join(head + lines)


def _offered_rate(results: Results) -> str:
    rows = results.get("offered_rate", [])
    if not rows:
        return ""
    lines = []
    for contender in ("bare", "milepost"):
        one = median([row for row in rows if row["contender"] == contender])
        figures = " | ".join(_ms(one[key]) for _, key in table.PERCENTILES)
        lines.append(f"| {NAMES[contender]} | {figures} |")
    header = " | ".join(name for name, _ in table.PERCENTILES)
    text = f"""A client that waits for its answers slows down with the server and hides its stalls. Here put-writes of
        1 × 256 B are due {rows[0]["offered"]:,.0f} times a second over 64 connections, half of what Milepost reached
        above, and latency counts from the moment a request was due. In ms:"""
    columns = [f"| | {header} |", "|---|" + "--:|" * len(table.PERCENTILES)]
    return "\n".join(["## Latency at a fixed rate", "", _wrapped(text), "", *columns, *lines])


def _growth(results: Results) -> str:
    found = results.get("growth")
    if not found:
        return ""
    names = {"small": "empty or nearly", "grown": "1 M writes", "long": "100,000 checkpoints in a thread"}
    lines = []
    for row in table.growth_rows(results):
        figures = f"{row['requests_per_second']:,.0f} | {_ms(row['p50_us'])} | {_ms(row['p99_us'])}"
        lines.append(f"| {row['name']} | {names[row['file']]} | {figures} |")
    text = ""
    if "file" in found:
        file = found["file"]
        text = f"""The file with 1 M writes has {file["writes"]:,} of them over {file["threads"]:,} threads, and
        {file["bytes"] / 1e6:,.0f} MB; its rows are at c=64, those of the long thread at c=1."""
    header = ["| | file | req/s | p50 ms | p99 ms |", "|---|---|--:|--:|--:|"]
    return "\n".join(["## As it grows", "", _wrapped(text), "", *header, *lines])


def _storage(results: Results) -> str:
    rows = results.get("storage", [])
    if not rows:
        return ""
    lines = []
    groups: dict[str, list[charts.Mark]] = {}
    for row in rows:
        mine = next(one for one in rows if one["name"] == row["name"] and one["contender"] == "milepost")
        bar = charts.Mark(row["contender"], row["files"] / 1e6, f"{row['files'] / 1e6:,.2f}")
        raw = charts.Mark("raw", mine["raw"] / 1e6, f"{mine['raw'] / 1e6:,.2f}")
        groups.setdefault(row["name"], [raw]).append(bar)
        wal = f"{row['wal'] / 1e6:,.1f}" if row.get("wal") else ""
        costs = [f"{row[key]:.2f}" if key in row else "" for key in ("put_cpu_ms", "get_cpu_ms")]
        opened = f"{row['files_open'] / 1e6:,.2f}" if "files_open" in row else ""
        lines.append(
            f"| {row['name']} | {NAMES[row['contender']]} | {mine['raw'] / 1e6:,.2f} | {row['files'] / 1e6:,.2f} | "
            f"{_share(row['files'], mine['raw'])} | {opened} | {wal} | {costs[0]} | {costs[1]} | {row['seconds']:.1f} |"
        )
    names = {name: NAMES[name] for name in CHARTED} | {"raw": "bytes of the blobs"}
    picture = charts.chart("Megabytes on disk", list(groups.items()), names, "MB, logarithmic")
    _write("storage.svg", picture)
    text = f"""The conversation is a LangGraph graph of one node that talks for {results["settings"]["turns"]} turns of
        about 1 KiB, stored through the API as LangGraph serialises it: three checkpoints a turn, each new version of
        the list of messages whole. Raw are the bytes of all blobs and writes; on disk is everything the store leaves
        when it is closed. CPU is the server's for one call, with HTTP, JSON and base64; what is read back is compared
        with what was put."""
    header = "| | | raw MB | on disk MB | | while open MB | log written MB | CPU ms a put | a get | s |"
    head = ["## Storage", "", "![Megabytes on disk](images/storage.svg)", "", _wrapped(text), ""]
    return "\n".join([*head, header, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|", *lines])


def _graphs(results: Results) -> str:
    lines = graph_results.tabled(results)
    if not lines:
        return ""
    marks = [
        (workload, [charts.Mark(name, one["seconds"] * 1000, f"{one['seconds'] * 1000:,.0f}") for name, one in found])
        for workload, contenders in graph_results.points(results)
        if (found := [(name, median(turns)) for name, turns in contenders.items()])
    ]
    picture = charts.chart("A graph, and the history of one", marks, graph_results.NAMES, "ms, logarithmic")
    _write("graphs.svg", picture)
    turns = 1 + max(row["turn"] for row in results["graphs"])
    text = f"""One LangGraph program, whose saver is all that differs: a node that goes round, each time with one more
        message of a few hundred bytes in its state, on a new thread, durable as LangGraph has it by default (async) and
        with every step stored before the next one (sync); then `get_state_history`, of that program and of
        one that only counts. Each saver is in a process of its
        own, as its users make it, with its own serialising; ours and agentex-sdk's, which is as released, go over HTTP.
        {turns} turns after a warm-up, in each of which every saver has one; figures are medians, of ratios of the same
        turn too. CPU is that of the program, and of the servers behind it. The states must be the same with every
        saver, or the run ends. agentex-sdk's history is the exception: its list has no blobs, so LangGraph makes two
        more calls a state for what has a reducer, and other values are missing; they come when each state is fetched."""
    header = "| | | ms | times as fast as AsyncPostgresSaver | spread | CPU ms | servers' CPU ms |"
    head = ["## Graphs", "", "![A graph, and the history of one](images/graphs.svg)", "", _wrapped(text), ""]
    return "\n".join([*head, header, "|---|---|--:|--:|--:|--:|--:|", *lines])


def _memory(results: Results) -> str:
    found = results.get("memory")
    if not found:
        return ""
    names = {
        "idle": "at rest, just started",
        "clients_64_of_256_kib": "64 clients writing 256 KiB, peak",
        "after": "two seconds later",
        "bodies_100_of_32_mib": "100 bodies of 32 MiB at once, peak",
    }
    lines = []
    for key, name in names.items():
        if key in found:
            one = found[key]
            resident = one.get("rss", one.get("peak_rss"))
            anonymous = one.get("anonymous", one.get("peak_anonymous"))
            lines.append(f"| {name} | {resident / 1e6:,.1f} | {anonymous / 1e6:,.1f} | {table.answers(one)} |")
    text = """Resident is what the kernel counts as in memory, with the pages of the program's own file, which can be
        dropped at any time. Anonymous is the rest: what the process has allocated, and so what must stay."""
    header = ["| | resident MB | of it anonymous MB | answers |", "|---|--:|--:|---|"]
    return "\n".join(["## Memory", "", _wrapped(text), "", *header, *lines])


def _instructions(results: Results) -> str:
    found = results.get("instructions")
    if not found:
        return ""
    names = {"parse": "parsing the body of a put-writes of 256 B", "put-writes": "answering it, over a store in memory"}
    lines = [f"| {names[name]} | {count:,} |" for name, count in found.items()]
    text = """Times are noisy, counts are not: `scripts/instruction-counts` counts under valgrind, compares with
        `Benchmarks/instruction-counts.json`, and fails beyond +10 %."""
    return "\n".join(["## Instructions", "", _wrapped(text), "", "| | instructions |", "|---|--:|", *lines])


def _notes() -> str:
    if not NOTES.exists():
        return ""
    return "## Tried and kept, tried and dropped\n\n" + NOTES.read_text(encoding="utf-8").strip()


def _write(name: str, text: str) -> None:
    (IMAGES / name).write_text(text, encoding="utf-8")


def _share(part: float, whole: float) -> str:
    return f"1/{whole / part:,.1f}" if part < whole else f"{part / whole:,.1f} ×"


def _ms(microseconds: float) -> str:
    """Three digits that count."""
    value = microseconds / 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


PARTS = (
    _verdict,
    _targets,
    _head,
    _throughput,
    _on_postgres,
    _offered_rate,
    _growth,
    _storage,
    _graphs,
    _memory,
    _instructions,
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
