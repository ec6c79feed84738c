"""The servers that are measured, each on a free port of 127.0.0.1."""

import contextlib
import http.client
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import processes

ROOT = Path(__file__).absolute().parent.parent
RELEASE = ROOT / ".build/release"
# One line a request is a choice of the operator; one measurement shows what it costs.
QUIET = ("--log-level", "warning")
POSTGRES_PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    pid: int
    port: int


@contextlib.contextmanager
def bare(directory: Path) -> Iterator[Server]:
    """The yardstick: Hummingbird that reads the body and answers 204."""
    port = processes.free_port()
    with _serving([str(RELEASE / "BareServer"), str(port)], port, directory / "bare.log") as server:
        yield server


@dataclass(frozen=True)
class Database:
    """A database of the cluster; its CPU and memory are the whole cluster's, where nothing else goes on meanwhile."""

    url: str
    # Where the cluster is, and its first process: the parent of all others.
    directory: Path
    pid: int

    def cpu_seconds(self) -> float:
        return processes.tree_cpu_seconds(self.pid)

    def memory(self) -> int:
        return processes.tree_memory(self.pid)


# A directory is that of a SQLite file.
Store = Path | Database


@contextlib.contextmanager
def milepost(store: Store, options: tuple[str, ...] = QUIET) -> Iterator[Server]:
    """Milepost on the SQLite file of that directory or on that database, durable as it is by default."""
    if isinstance(store, Database):
        url, log = store.url, store.directory / "milepost.log"
    else:
        store.mkdir(exist_ok=True)
        url, log = f"sqlite:{store / 'milepost.db'}", store.parent / "milepost.log"
    port = processes.free_port()
    address = ["--host", "127.0.0.1", "--port", str(port)]
    with _serving([str(RELEASE / "milepost"), "serve", *address, "--store", url, *options], port, log) as server:
        processes.wait_until(lambda: _is_ready(port), "milepost is ready")
        yield server


@contextlib.contextmanager
def _serving(command: list[str], port: int, log: Path) -> Iterator[Server]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILEPOST_")}
    with processes.running(command, log, environment) as process:

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended while starting: {log.read_text()[-2000:]}")
            return processes.accepts(port)

        processes.wait_until(answers, f"{command[0]} accepts connections")
        yield Server(process.pid, port)
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended by itself: {log.read_text()[-2000:]}")


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


class Cluster:
    """A PostgreSQL 15 of its own in a directory, with the settings it comes with: fsync is on."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "postgres"
        self.port = processes.free_port()
        self._directory = directory
        self._log = self.data / "server.log"
        self._databases = 0

    def __enter__(self) -> "Cluster":
        self.data.mkdir()
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.data, owner.pw_uid, owner.pw_gid)
        self._run(f"initdb -D {self.data}/cluster -U postgres -A trust -E UTF8 --no-instructions")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.data}"
        self._run(f"pg_ctl -D {self.data}/cluster -l {self._log} -w -o '{options}' start")
        self.pid = int((self.data / "cluster/postmaster.pid").read_text().split()[0])
        return self

    def __exit__(self, *_: object) -> None:
        self._run(f"pg_ctl -D {self.data}/cluster -m fast -w stop")

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """A new one for as long as it is needed.

        It begins with a checkpoint: after one PostgreSQL logs whole pages, and everyone measured shall pay that alike.
        """
        self._databases += 1
        name = f"measured_{self._databases}"
        self._sql(f"CREATE DATABASE {name}")
        self._sql("CHECKPOINT")
        yield Database(f"postgresql://postgres@127.0.0.1:{self.port}/{name}", self._directory, self.pid)
        self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def version(self) -> str:
        command = [str(POSTGRES_PROGRAMS / "postgres"), "--version"]
        output = subprocess.run(command, capture_output=True, text=True, check=True)
        return output.stdout.split()[2]

    def _sql(self, statement: str) -> None:
        self._run(f"psql -h 127.0.0.1 -p {self.port} -U postgres -X -q -v ON_ERROR_STOP=1 -c '{statement}'")

    def _run(self, command: str) -> None:
        """PostgreSQL refuses to be run by root."""
        line = f"cd / && {POSTGRES_PROGRAMS}/{command}"
        user = ["su", "postgres", "-s", "/bin/sh", "-c", line] if os.geteuid() == 0 else ["/bin/sh", "-c", line]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(user, **pipes, text=True)  # type: ignore[call-overload]
        if done.returncode != 0:
            raise RuntimeError(f"{command.split()[0]} failed: {done.stdout[-2000:]}")


def bytes_in(directory: Path) -> int:
    """Of all files, whatever a store calls them."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
