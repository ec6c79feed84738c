"""What a server does under load, and what that takes of it."""

from pathlib import Path
from typing import Any

import load
import processes
from servers import Server


def measured(server: Server, requests: Path, connections: int, seconds: int, warm_up: int) -> dict[str, Any]:
    """A warm-up, then the measurement, with what it took of the server."""
    load.wrk(server, requests, connections, warm_up)
    with processes.AnonymousPeak(server.pid) as anonymous:
        before = processes.cpu_seconds(server.pid)
        figures = load.wrk(server, requests, connections, seconds)
        cpu = processes.cpu_seconds(server.pid) - before
    return {
        **figures,
        "cpu_us": cpu / max(1, figures["requests"]) * 1e6,
        "peak_rss": processes.peak_rss(server.pid),
        "peak_anonymous": anonymous.bytes,
    }
