"""The load generators: wrk for as much as a server can, LoadGenerator for a fixed rate and for filling a store."""

import json
import subprocess
from pathlib import Path
from typing import Any

from servers import RELEASE, Server

LUA = Path(__file__).absolute().parent / "unique.lua"


class LoadFailed(RuntimeError):
    """Something was not answered as it must be: the figures would be of another call."""


def write_requests(file: Path, lines: list[str]) -> Path:
    file.write_text("\n".join(lines) + "\n", encoding="ascii")
    return file


def wrk(server: Server, requests: Path, connections: int, seconds: int, most_threads: int = 2) -> dict[str, Any]:
    """Every connection sends its next request when it has its answer."""
    threads = min(most_threads, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
    output = _output([*command, "-s", str(LUA), f"http://127.0.0.1:{server.port}", "--", str(requests)])
    lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise LoadFailed(f"wrk has no result: {output[-2000:]}")
    result: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    if result.pop("errors"):
        raise LoadFailed(f"not every request was answered with 2xx: {output[-2000:]}")
    return result


def at_rate(
    server: Server, requests: Path, connections: int, rate: float, seconds: float, warm_up: float
) -> dict[str, Any]:
    """Requests are due at fixed times; latency counts from then."""
    return _generate(server, requests, connections, int(rate * (seconds + warm_up)), rate, int(rate * warm_up))


def fill(server: Server, requests: Path, count: int, connections: int = 32) -> dict[str, Any]:
    """Sends the lines in order, as fast as they are answered; each pass over them is the next thread."""
    return _generate(server, requests, connections, count, 0, 0)


def _generate(
    server: Server, requests: Path, connections: int, count: int, rate: float, warm_up: int
) -> dict[str, Any]:
    arguments = [server.port, requests, connections, count, rate, warm_up]
    result: dict[str, Any] = json.loads(_output([str(RELEASE / "LoadGenerator"), *map(str, arguments)]))
    refused = {status: number for status, number in result.pop("statuses").items() if not status.startswith("2")}
    if refused:
        raise LoadFailed(f"answers that are not 2xx: {refused}")
    return result


def _output(command: list[str]) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise LoadFailed(f"{Path(command[0]).name} failed: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
