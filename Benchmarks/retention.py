"""How long puts take while a sweep takes a large thread apart, beside how long they take without.

    MILEPOST_BINARY=.build/release/milepost PYTHONPATH=e2e .venv/bin/python Benchmarks/retention.py [CHECKPOINTS]

A thread of 20,000 checkpoints with a growing channel is put into a fresh SQLite store; then eight clients put to threads of their own, first
alone, then while a server with --retain-last 1 sweeps. One JSON object on standard output.
"""

import base64
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from server import Server, wait_until

CLIENTS = 8


def body(thread, number, channel="a"):
    value = base64.b64encode(f"{thread} says in step {number} what it has said before; ".encode() * 60).decode()
    version = f"{number + 1:032}.0"
    return {
        "thread_id": thread,
        "checkpoint_id": f"1f0c0000-0000-6000-8000-{number:012x}",
        "parent_checkpoint_id": f"1f0c0000-0000-6000-8000-{number - 1:012x}" if number else None,
        "checkpoint": {"v": 4, "ts": "2026-01-01T00:00:00+00:00", "channel_versions": {channel: version}},
        "metadata": {"source": "loop", "step": number},
        "blobs": [{"channel": channel, "version": version, "type": "bytes", "blob": value}],
    }


def put(client, *arguments):
    client.post("/checkpoints/put", json=body(*arguments)).raise_for_status()


def fill(url, count):
    def part(first):
        with httpx.Client(base_url=url, timeout=60) as client:
            for number in range(first, count, CLIENTS):
                put(client, "large", number)

    workers = [threading.Thread(target=part, args=(first,)) for first in range(CLIENTS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def measure(url, until):
    times, lock = [], threading.Lock()

    def act(name):
        own, number = [], 0
        with httpx.Client(base_url=url, timeout=60) as client:
            while not until():
                start = time.perf_counter()
                put(client, name, number)
                own.append(time.perf_counter() - start)
                number += 1
                time.sleep(0.002)
        with lock:
            times.extend(own)

    workers = [threading.Thread(target=act, args=(f"small{time.time_ns()}-{number}",)) for number in range(CLIENTS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    times.sort()
    return {
        "puts": len(times),
        **{name: round(times[int(len(times) * part)] * 1e3, 2) for name, part in (("p50_ms", 0.5), ("p99_ms", 0.99))},
        "max_ms": round(times[-1] * 1e3, 2),
    }


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as directory:
        store = f"sqlite:{directory}/milepost.db"
        server = Server(store, directory).start()
        fill(server.base_url, count)
        end = time.monotonic() + 10
        alone = measure(server.base_url, lambda: time.monotonic() > end)
        server.stop()
        before = Path(directory, "milepost.db").stat().st_size
        sweeping = Server(store, directory, "--retain-last", "1", "--sweep-interval", "2s").start()

        def is_swept():
            return any(record.get("message") == "swept" and record["checkpoints"] >= count / 2 for record in sweeping.log_records())

        done = threading.Event()

        def wait():
            wait_until(is_swept, 600, "the sweep is done")
            done.set()

        threading.Thread(target=wait).start()
        during = measure(sweeping.base_url, done.is_set)
        records = [record for record in sweeping.log_records() if record.get("message") == "swept"]
        sweeping.stop()
        after = Path(directory, "milepost.db").stat().st_size
        print(json.dumps({"alone": alone, "during": during, "swept": records, "file_before": before, "file_after": after}))


main()
