"""What PostgreSQL does by itself: pgbench with the insert of a put-writes, each in a transaction of its own."""

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import servers
from load import LoadFailed
from run import percentiles
from workloads import CHANNELS, SMALL_WRITES, TASK_ID, TASK_PATH, values

# LangGraph's statement for a write. The blob is a parameter and travels with each insert, as it does from Milepost; the
# ids are made where that is cheapest, in the statement: a random UUID, and the time at the length of one.
SCRIPT = f"""
INSERT INTO checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path)
VALUES
    (gen_random_uuid(), '', clock_timestamp() || '-a12345', '{TASK_ID}', 0, '{CHANNELS[0]}', 'msgpack', :blob,
    '{TASK_PATH}')
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO NOTHING;
"""
THREADS = 2
# One latency in ten is written down, so that writing takes nothing from the rate.
SAMPLED = 0.1


def measured(database: servers.Database, directory: Path, clients: int, seconds: int, warm_up: int) -> dict[str, Any]:
    """A warm-up, then the measurement, over the tables that Milepost made; CPU and memory are PostgreSQL's."""
    with servers.milepost(database):
        pass
    script = directory / "insert.sql"
    script.write_text(SCRIPT, encoding="ascii")
    _run(database, script, clients, warm_up)
    before = database.cpu_seconds()
    figures, memory = _run(database, script, clients, seconds)
    # Its clients' processes end, and then count among those that PostgreSQL has waited for.
    time.sleep(0.2)
    cpu = (database.cpu_seconds() - before) / figures["requests"] * 1e6
    return {**figures, "cpu_us": cpu, "server_cpu_us": cpu, "peak_rss": memory, "server_memory": memory}


def _run(database: servers.Database, script: Path, clients: int, seconds: int) -> tuple[dict[str, Any], int]:
    """Its figures, and the memory of PostgreSQL meanwhile."""
    prefix = script.with_name(f"latencies-{time.monotonic_ns()}")
    blob = values(SMALL_WRITES.writes)[0].hex()
    command = [str(servers.POSTGRES_PROGRAMS / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--file={script}"]
    command += [f"--define=blob=\\x{blob}", f"--client={clients}", f"--jobs={min(THREADS, clients)}"]
    command += [f"--time={seconds}", "--log", f"--log-prefix={prefix}", f"--sampling-rate={SAMPLED}", database.url]
    pgbench = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(seconds / 2)
    memory = database.memory()
    output = pgbench.communicate()[0]
    if pgbench.returncode != 0 or _number(r"failed transactions: (\d+)", output):
        raise LoadFailed(f"pgbench failed: {output[-2000:]}")
    # A line is: client, transaction, microseconds, script, and when it ended in seconds and microseconds.
    logs = list(prefix.parent.glob(f"{prefix.name}*"))
    latencies = [float(line.split()[2]) for log in logs for line in log.read_text().splitlines()]
    for log in logs:
        log.unlink()
    count = int(_number(r"transactions actually processed: (\d+)", output))
    # Without the time that it took to connect.
    rate = _number(r"^tps = ([\d.]+)", output)
    return {"requests": count, "seconds": count / rate, **percentiles(latencies)}, memory


def _number(pattern: str, output: str) -> float:
    found = re.search(pattern, output, re.MULTILINE)
    if found is None:
        raise LoadFailed(f"pgbench has no result: {output[-2000:]}")
    return float(found[1])
