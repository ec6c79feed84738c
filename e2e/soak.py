"""Runs servers under a mixed load for long, and fails when what they take grows or when anything they hold is wrong.

    scripts/soak [SECONDS] [--store sqlite|postgres|both] [--seed SEED] [--directory DIRECTORY]

300 seconds of both without options; an hour by hand is `scripts/soak 3600 --directory DIRECTORY`, which also leaves the
samples there, as a table and as a picture. MILEPOST_BINARY names the program, as for the tests. 1 says that something
grew or was wrong, and the output says what.
"""

import argparse
import collections
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import load
import postgres
import soak_load
import soak_samples
from security import resident_bytes
from server import Server, wait_until
from soak_samples import MIB, Sample

AGENTS, WATCHERS = 4, 2
FEWEST_SAMPLES, LONGEST_INTERVAL = 60, 10.0
PROGRESS_EVERY = 15.0


class Soak:
    """One server and everybody who uses it."""

    def __init__(self, kind, directory, seed, seconds):
        self.kind, self.seed = kind, seed
        self._directory = directory
        self._database = directory / "milepost.db"
        if kind == "postgres":
            # PostgreSQL looks once a minute for space that it may use again, which in a short soak is never.
            statements = ("ALTER SYSTEM SET autovacuum_naptime = 5", "SELECT pg_reload_conf()")
            postgres.execute(postgres.server_url(), *statements)
        self.store = postgres.new_database() if kind == "postgres" else f"sqlite:{self._database}"
        self.server = Server(self.store, directory, "--log-level", "warning", *soak_load.OPTIONS)
        self.stopping = threading.Event()
        self.samples = []
        self.began = None
        self._backup_interval = min(60.0, seconds / 6)

    def start(self):
        self.server.start()
        self.began = time.monotonic()
        port, stopping = self.server.port, self.stopping
        self.agents = [soak_load.Agent(port, f"{self.kind}-{n}", f"{self.seed}-{n}", stopping) for n in range(AGENTS)]
        for agent in self.agents:
            agent.start()
        wait_until(lambda: all(agent.acknowledged for agent in self.agents), 60, "everybody has begun")
        self.watchers = [
            soak_load.Watcher(self.server, self.agents, f"{self.seed}-{n}", stopping) for n in range(WATCHERS)
        ]
        self.operator = soak_load.Operator(self.store, self._directory, self._backup_interval, stopping)
        for other in (*self.watchers, self.operator):
            other.start()

    def sample(self):
        """Looks at the server; fails when somebody has failed."""
        for one in (*self.agents, *self.watchers, self.operator):
            if one.failure is not None:
                raise one.failure
        times = sorted(took for agent in self.agents for took in agent.take_times())
        process = Path(f"/proc/{self.server.process.pid}")
        self.samples.append(
            Sample(
                seconds=round(time.monotonic() - self.began, 1),
                resident=resident_bytes(self.server),
                files=len(os.listdir(process / "fd")),
                threads=len(os.listdir(process / "task")),
                wal=size_of(Path(f"{self._database}-wal")),
                database=self.database_bytes(),
                live=sum(agent.live_bytes for agent in self.agents),
                p99=round(times[len(times) * 99 // 100], 2) if times else 0.0,
            )
        )

    def database_bytes(self):
        if self.kind == "postgres":
            return postgres.value(self.store, "SELECT pg_database_size(current_database())")
        return size_of(self._database)

    def stop(self):
        """Everybody stops, and compares what is stored with what was acknowledged."""
        self.stopping.set()
        for one in (*self.agents, *self.watchers, self.operator):
            one.join(120)
            assert not one.is_alive(), "somebody still waits for an answer"
            if one.failure is not None:
                raise one.failure

    def settle(self):
        """What was given up is gone by now, or soon, and the store is verified."""
        client = load.Client(self.server.port)
        given_up = {thread_id: since for agent in self.agents for thread_id, since in agent.given_up.items()}
        for thread_id, since in given_up.items():
            left = max(1.0, soak_load.SWEPT_WITHIN - (time.monotonic() - since))
            asked = {"thread_id": thread_id}
            wait_until(lambda asked=asked: client.post("list", asked) == (200, []), left, f"{thread_id} goes")
        client.close()
        self.server.stop()
        soak_load.milepost("verify", "--store", self.store)

    def told(self):
        """What was done, in a line."""
        counts = sum((collections.Counter(agent.counts) for agent in self.agents), collections.Counter())
        counts["given up and swept"] = sum(len(agent.given_up) for agent in self.agents)
        counts["followed"] = sum(watcher.followed for watcher in self.watchers)
        counts["events"] = sum(watcher.events for watcher in self.watchers)
        counts["backup" if self.kind == "sqlite" else "export"] = self.operator.done
        return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def progress(soaks, seconds):
    """Where it is, in a line."""
    now = time.monotonic() - soaks[0].began
    parts = []
    for soak in soaks:
        last, calls = soak.samples[-1], sum(sum(agent.counts.values()) for agent in soak.agents)
        parts.append(
            f"{soak.kind} {calls:,} calls, {last.resident >> 20} MiB, {last.files} files, {last.threads} threads, "
            f"wal {last.wal // MIB} MiB, database {last.database // MIB} MiB for {last.live // MIB}, "
            f"p99 {last.p99:.0f} ms"
        )
    print(f"soak: {now:4.0f} of {seconds:.0f} s: {'; '.join(parts)}", flush=True)


def watch(soaks, seconds):
    """Samples all of them until the time is over."""
    interval = min(LONGEST_INTERVAL, seconds / FEWEST_SAMPLES)
    began, told = time.monotonic(), time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(interval)  # Not to wait for something: the time between two looks.
        for soak in soaks:
            soak.sample()
        if time.monotonic() - told >= PROGRESS_EVERY:
            told = time.monotonic()
            progress(soaks, seconds)


def report(soak, directory):
    """Prints what was done and what grew, and leaves the samples; gives whether nothing grew."""
    grown = soak_samples.what_grows(soak.samples)
    print(f"soak: {soak.kind}: {soak.told()}; everything acknowledged is there, the store verifies")
    print(f"soak: {soak.kind}: middle third → last third: {soak_samples.summary(soak.samples)}")
    for line in grown:
        print(f"soak: {soak.kind}: GROWS: {line}")
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
        soak_samples.write_table(soak.samples, directory / f"soak-{soak.kind}.csv")
        title = f"A soak of {soak.samples[-1].seconds:,.0f} s on {soak.kind}"
        (directory / f"soak-{soak.kind}.svg").write_text(soak_samples.picture(soak.samples, title), encoding="utf-8")
    return not grown


def run(kinds, seconds, seed, directory):
    with tempfile.TemporaryDirectory(prefix="milepost-soak-") as temporary:
        soaks = []
        for kind in kinds:
            place = Path(temporary) / kind
            place.mkdir()
            soaks.append(Soak(kind, place, f"{seed}-{kind}", seconds))
        try:
            for soak in soaks:
                soak.start()
            watch(soaks, seconds)
            for soak in soaks:
                soak.stop()
            for soak in soaks:
                soak.settle()
        except BaseException:
            for soak in soaks:
                print("\n".join(soak.server.log_lines()[-20:]), file=sys.stderr)
            raise
        finally:
            for soak in soaks:
                soak.stopping.set()
                if soak.server.is_running:
                    soak.server.kill()
        return all([report(soak, directory) for soak in soaks])


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.split("\n")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=300)
    parser.add_argument("--store", choices=["sqlite", "postgres", "both"], default="both")
    seed = os.environ.get("MILEPOST_SEED") or str(random.SystemRandom().randrange(10**9))
    parser.add_argument("--seed", default=seed)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    kinds = ["sqlite", "postgres"] if options.store == "both" else [options.store]
    print(f"soak: {options.seconds:.0f} s on {' and '.join(kinds)}, MILEPOST_SEED={options.seed}", flush=True)
    sys.exit(0 if run(kinds, options.seconds, options.seed, options.directory) else 1)


if __name__ == "__main__":
    main()
