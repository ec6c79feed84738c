"""`make bench`: Milepost beside a bare server and LangGraph's own savers, in one run on one machine.

Progress goes to standard error and the table to standard output. A whole run writes Benchmarks/results.json, from which
`make bench-report` makes docs/benchmarks.md; a part of one writes .build/bench.json.

A run with --full --seconds 3 takes about 22 minutes once everything is built, one with --only graph about 3.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import graphs
import growth
import servers
import steady
import storage
import table
import throughput
from run import Run

MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs", "overlay"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of a second: to see that it works")
    parser.add_argument("--full", action="store_true", help="also a file of 1 M writes, a long thread, large bodies")
    parser.add_argument("--only", default="", metavar="REGEX", help="only what matches: get-tuple, postgres, …")
    parser.add_argument("--seconds", type=int, help="length of a measurement (default: 4)")
    parser.add_argument("--rounds", type=int, help="repetitions, of which the median counts (default: 3)")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="a directory on the disk to measure")
    parser.add_argument("--output", type=Path, help="where to write the results")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _refuse_memory(chosen.directory)
    directory = Path(tempfile.mkdtemp(prefix="milepost-bench-", dir=chosen.directory))
    directory.chmod(0o711)  # PostgreSQL runs as another user.
    quick = chosen.quick
    run = Run(
        directory=directory,
        seconds=chosen.seconds or (1 if quick else 4),
        peer_seconds=1 if quick else 1.5,
        warm_up=1,
        rounds=chosen.rounds or (1 if quick else 3),
        turns=20 if quick else 200,
        only=re.compile(chosen.only),
        full=chosen.full,
    )
    try:
        with servers.Cluster(directory) as cluster:
            run.results["machine"] = _machine(cluster)
            run.results["settings"] = _settings(run, quick)
            throughput.measure(run, cluster)
            steady.offered_rate(run)
            steady.memory(run)
            storage.measure(run, cluster)
            graphs.measure(run, cluster)
            if run.full:
                growth.measure(run)
        regression = _count_instructions(run)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    whole = not quick and not chosen.only
    output = chosen.output or servers.ROOT / ("Benchmarks/results.json" if whole else ".build/bench.json")
    output.write_text(json.dumps(run.results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table.printed(run.results))
    run.say(f"wrote {os.path.relpath(output)}")
    return regression


def _refuse_memory(directory: Path) -> None:
    """A sync to memory costs nothing: every durable figure would be wrong."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = (directory.absolute(), *directory.absolute().parents)
    holding = [(place, kind) for place, kind in mounts if Path(place) in above]
    kind = max(holding, key=lambda mount: len(mount[0]))[1]
    if kind in MEMORY_FILE_SYSTEMS:
        raise SystemExit(f"bench: {directory} is on {kind}; give --directory one that is on a disk")


def _machine(cluster: servers.Cluster) -> dict[str, Any]:
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal: *(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    packages = ("langgraph", "langgraph-checkpoint-postgres", "langgraph-checkpoint-sqlite", "psycopg", "aiosqlite")
    packages += ("agentex-sdk", "httpx")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor[1] if processor else platform.machine(),
        "memory_bytes": int(memory[1]) * 1024 if memory else 0,
        "kernel": platform.release().partition("-")[0],
        "load_before": os.getloadavg()[0],
        "versions": {
            "milepost": _first_line([str(servers.RELEASE / "milepost"), "--version"]),
            "commit": _first_line(["git", "-C", str(servers.ROOT), "describe", "--always", "--dirty"]),
            "swift": _first_line(["swift", "--version"]),
            "wrk": _wrk_version(),
            "python": platform.python_version(),
            "postgresql": cluster.version,
            **{name: importlib.metadata.version(name) for name in packages},
        },
    }


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else "unknown"


def _wrk_version() -> str:
    # wrk -v answers with its usage, and ends as after a mistake.
    done = subprocess.run(["wrk", "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.removeprefix("wrk ").partition(" ")[0]


def _settings(run: Run, quick: bool) -> dict[str, Any]:
    arguments = [name for name, is_set in (("--quick", quick), ("--full", run.full)) if is_set]
    if run.only.pattern:
        arguments += ["--only", run.only.pattern]
    return {
        "arguments": arguments,
        "seconds": run.seconds,
        "peer_seconds": run.peer_seconds,
        "warm_up_seconds": run.warm_up,
        "rounds": run.rounds,
        "turns": run.turns,
        "milepost": ["serve", *servers.QUIET],
        "wrk_threads": 2,
    }


def _count_instructions(run: Run) -> int:
    """The exit code: 1 when something costs more instructions than it is allowed."""
    if not run.wants("instructions"):
        return 0
    run.say("counting instructions")
    done = subprocess.run(
        [sys.executable, str(servers.ROOT / "scripts/instruction-counts"), "--json"], stdout=subprocess.PIPE, text=True
    )
    if done.stdout:
        run.results["instructions"] = json.loads(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
