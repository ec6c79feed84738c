"""What the parts of a run share: where, how long, what was found so far."""

import os
import random
import re
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROBE_BYTES = 600


@dataclass
class Run:
    """One run of the benchmark; the sections put what they find into `results`."""

    directory: Path
    seconds: int
    peer_seconds: float
    warm_up: int
    rounds: int
    turns: int
    only: re.Pattern[str]
    full: bool
    results: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def wants(self, name: str) -> bool:
        return self.only.search(name) is not None

    def say(self, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"bench {minutes:02d}:{seconds:02d}  {text}", file=sys.stderr, flush=True)

    def folder(self, name: str) -> Path:
        """A new, empty directory on the disk that is measured."""
        directory = self.directory / f"{name}-{time.monotonic_ns()}"
        directory.mkdir()
        return directory

    def probe_disk(self) -> None:
        """Appends 600 bytes and syncs them, 500 times: what a durable write cannot be faster than."""
        file = self.directory / "probe"
        data = random.randbytes(PROBE_BYTES)
        times = []
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for _ in range(500):
                start = time.perf_counter_ns()
                os.write(descriptor, data)
                os.fdatasync(descriptor)
                times.append((time.perf_counter_ns() - start) / 1000)
        finally:
            os.close(descriptor)
            file.unlink()
        times.sort()
        self.results.setdefault("fdatasync", []).append({"p50_us": times[250], "p99_us": times[495]})


def median(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each figure; what the rows call each other stays."""
    first = rows[0]
    return {
        name: statistics.median([row[name] for row in rows]) if isinstance(value, int | float) else value
        for name, value in first.items()
        if all(name in row for row in rows)
    }


def percentiles(microseconds: list[float]) -> dict[str, float]:
    """Of the latencies of a measurement, which need not be sorted."""
    ordered = sorted(microseconds)
    shares = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999}
    return {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in shares.items()}


def spread(values: list[float]) -> float:
    """How far repetitions lie apart, as a share of their median."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0
