"""What docs/benchmarks.md begins with: how Milepost compares with LangGraph's savers, computed from the results."""

from typing import Any

import targets
from table import NAMES
from throughput import ON_POSTGRES, PEERS, PGBENCH
from workloads import GET_TUPLE, SMALL_WRITES, Workload

Results = dict[str, Any]
AT_ONCE = (16, 64)
CALLS = ((SMALL_WRITES, "put-writes (1 × 256 B)"), (GET_TUPLE, "get-tuples (5 blobs, 4 writes)"))


def paragraph(results: Results) -> str:
    """Only what was measured; empty when nothing of it was."""
    parts = (_rates(results), _on_postgres(results), _disk(results), _bare(results), _met(results))
    return " ".join(part for part in parts if part)


def _rates(results: Results) -> str:
    sentences = []
    for peer in PEERS:
        shares = [(name, [_times(results, peer, workload, at_once) for at_once in AT_ONCE]) for workload, name in CALLS]
        parts = [f"**{few} and {many} times** the {name}" for name, (few, many) in shares if few and many]
        if parts:
            sentences.append(f"{' and '.join(parts)} of {NAMES[peer]}")
    if not sentences:
        return ""
    return (
        f"With {AT_ONCE[0]} and {AT_ONCE[1]} calls at a time, Milepost on SQLite answers, each second, "
        f"{'; '.join(sentences)}. Those run in the process that calls them; Milepost is called over HTTP."
    )


def _on_postgres(results: Results) -> str:
    inserts = _times(results, PGBENCH, SMALL_WRITES, 64, ON_POSTGRES)
    tuples = _times(results, "postgres", GET_TUPLE, 16, ON_POSTGRES)
    parts = [f"**{inserts} times** the put-writes that pgbench inserts with 64 clients"] if inserts else []
    parts += [f"**{tuples} times** the get-tuples of {NAMES['postgres']} with 16"] if tuples else []
    return f"On PostgreSQL, Milepost answers {' and '.join(parts)}." if parts else ""


def _times(results: Results, peer: str, workload: Workload, at_once: int, contender: str = "milepost") -> str | None:
    share = targets.ratio(results, contender, workload, at_once, peer)
    return _digits(share) if share else None


def _disk(results: Results) -> str:
    mine = targets.stored(results, "conversation")
    peers = [(peer, targets.stored(results, "conversation", peer)) for peer in PEERS]
    if mine is None:
        return ""
    shares = [f"{_digits(one['files'] / mine['files'])} times that with {NAMES[peer]}" for peer, one in peers if one]
    if not shares:
        return ""
    turns = results["settings"]["turns"]
    return f"A conversation of {turns} turns takes **{mine['files'] / 1e6:.2f} MB** on disk, and {' and '.join(shares)}."


def _bare(results: Results) -> str:
    share = targets.ratio(results, "milepost", SMALL_WRITES, AT_ONCE[-1])
    if share is None:
        return ""
    return (
        f"Every put-writes is on the disk before it is answered, at **{share:.0%}** of the rate of a bare "
        "HTTP server that stores nothing."
    )


def _met(results: Results) -> str:
    found = [target.is_met(figure) for target, figure in targets.judged(results) if figure is not None]
    return f"{sum(found)} of {len(found)} targets are met." if found else ""


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
