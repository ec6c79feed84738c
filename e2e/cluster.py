"""A PostgreSQL of one's own: made in a directory, started, stopped, killed, frozen, copied to a standby and promoted.

Only Python's own library is used here: scripts/with-postgres runs before any environment has been made.
"""

import contextlib
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

SUPERUSER = "postgres"
START_LIMIT = 60.0
STOP_LIMIT = 60.0
POLL_INTERVAL = 0.02
# Below those that a system gives to connections by itself (Linux: from 32768): nobody's connection takes the port of a
# server that is stopped for a moment. Above 10080, the last that browsers refuse to talk to.
PORTS = range(11_000, 32_000)
# Lines of postmaster.pid: the key and id of a piece of shared memory, and the state, for which `pg_ctl -w` waits too.
SHARED_MEMORY_LINE, STATE_LINE = 6, 7


class ClusterError(Exception):
    """PostgreSQL cannot be made, started or stopped; the message says why."""


def programs():
    """Where the newest installed PostgreSQL keeps its programs."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    raise ClusterError("no initdb found; `scripts/install-packages postgresql` installs PostgreSQL")


def unprivileged():
    """What makes subprocess run PostgreSQL, which refuses to be root, as somebody else; nothing when nobody is root."""
    if os.geteuid() != 0:
        return {}
    try:
        owner = pwd.getpwnam(SUPERUSER)
    except KeyError:
        raise ClusterError(f"there is no user {SUPERUSER} to run PostgreSQL as") from None
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def give_away(path):
    """Gives a file or directory to the user that PostgreSQL runs as."""
    owner = unprivileged()
    if owner:
        os.chown(path, owner["user"], owner["group"])


def make_directory(path):
    """An empty directory of PostgreSQL's own."""
    path.mkdir()
    give_away(path)
    return path


def run_program(name, *arguments, environment=None):
    """Runs one of PostgreSQL's programs to its end and gives what it printed."""
    done = subprocess.run(
        [str(programs() / name), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env={**plain_environment(), **(environment or {})},
        **unprivileged(),
    )
    if done.returncode != 0:
        raise ClusterError(f"{name} ended with {done.returncode}: {done.stdout.strip()[-2000:]}")
    return done.stdout


def plain_environment():
    """This process's environment without a PG… of the developer's own, and with messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C.UTF-8"}


def _all_ports():
    """PORTS again and again, from any of them on: of processes beside each other, one is rarely where another is."""
    start = secrets.randbelow(len(PORTS))
    return itertools.cycle([*PORTS[start:], *PORTS[:start]])


_next_ports = _all_ports()


def free_port():
    """A port that nobody holds, on any address of this machine; to one process the same again only after all others."""
    for port in itertools.islice(_next_ports, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    raise ClusterError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free")


class Cluster:
    """One cluster: fsync is on, as everything is that PostgreSQL comes with; it listens on 127.0.0.1 alone.

    Its databases are sorted by a language's rules unless they say otherwise, so that who relies on the order of bytes
    has to ask for it. The port stays the same across starts.
    """

    def __init__(self, directory, environment=None, **settings):
        self.directory = Path(directory)
        self.environment = environment or {}
        self.data = self.directory / "cluster"
        self.log = self.directory / "postgres.log"
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self.settings = {"max_connections": 200, **settings}
        self.process = None

    # MARK: addresses

    def url(self, database="postgres", user=SUPERUSER, password=None):
        """The connection string of a database."""
        secret = self.password if password is None else password
        return f"postgresql://{user}:{quote(secret)}@127.0.0.1:{self.port}/{quote(database)}"

    # MARK: life

    def create(self, *options):
        """Makes the cluster, which is then not running yet."""
        password_file = self.directory / "password"
        password_file.write_text(self.password + "\n", encoding="ascii")
        password_file.chmod(0o600)
        give_away(password_file)
        # --no-sync: only for the making. What happens to a machine that loses power then is no test of ours.
        run_program(
            "initdb",
            *("--pgdata", self.data, "--username", SUPERUSER, "--pwfile", password_file, "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US"),
            *("--no-sync", "--no-instructions", *options),
        )
        return self

    def start(self):
        """Starts the server and returns when it takes connections."""
        self.launch()
        deadline = time.monotonic() + START_LIMIT
        while self.state() not in ("ready", "standby"):
            if self.process.poll() is not None:
                raise ClusterError(f"PostgreSQL ended with {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ClusterError(f"PostgreSQL is not ready within {START_LIMIT:g} s: {self.last_words()}")
            time.sleep(POLL_INTERVAL)
        return self

    def launch(self):
        """Starts the server and returns at once. It is a child of this process, so that its pid is never a stranger's."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            # In the cluster's own directory, so that it goes with it when the server was killed.
            "dynamic_shared_memory_type": "mmap",
            **self.settings,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                # Whatever ends this process without a word ends PostgreSQL too.
                ["setpriv", "--pdeathsig", "INT", str(programs() / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**plain_environment(), **self.environment},
                start_new_session=True,
                **unprivileged(),
            )

    def state(self):
        """What this very server says of itself in its lock file: `starting`, `ready`, `standby`, `stopping` or nothing."""
        lines = self._lock_file()
        is_ours = len(lines) > STATE_LINE and lines[0] == str(self.process.pid)
        return lines[STATE_LINE].strip() if is_ours else ""

    def _lock_file(self):
        try:
            return (self.data / "postmaster.pid").read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return []

    def stop(self):
        """A fast shutdown: connections end, everything is written."""
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ClusterError(f"PostgreSQL did not stop within {STOP_LIMIT:g} s: {self.last_words()}") from None
        if code != 0:
            raise ClusterError(f"PostgreSQL ended with {code} when stopped: {self.last_words()}")

    def end(self):
        """Ends it for good, in whatever state it is, without writing what nobody will read."""
        if self.is_running:
            self.thaw()
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self.kill()
        self._remove_shared_memory()

    def _remove_shared_memory(self):
        """A server that was killed leaves a segment behind, which only its next start would remove."""
        lines = self._lock_file()
        if len(lines) > SHARED_MEMORY_LINE and len(words := lines[SHARED_MEMORY_LINE].split()) == 2:
            subprocess.run(["ipcrm", "--shmem-id", words[1]], capture_output=True, **unprivileged())

    def restart(self):
        """What `pg_ctl restart` does."""
        self.stop()
        return self.start()

    def kill(self):
        """SIGKILL to the postmaster and to each of its children, by pid."""
        # A stopped postmaster starts no more children, and cannot tell these what happened.
        self.process.send_signal(signal.SIGSTOP)
        children = self.children()
        self.process.kill()
        for pid in children:
            send(pid, signal.SIGKILL)
        self.process.wait(STOP_LIMIT)
        deadline = time.monotonic() + STOP_LIMIT
        while any(map(is_alive, children)):
            if time.monotonic() > deadline:
                raise ClusterError("children of PostgreSQL outlived SIGKILL")
            time.sleep(POLL_INTERVAL)

    def freeze(self):
        """SIGSTOP to all of it: connections stay open and nobody answers."""
        self.process.send_signal(signal.SIGSTOP)
        for pid in self.children():
            send(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.children():
            send(pid, signal.SIGCONT)
        self.process.send_signal(signal.SIGCONT)

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def children(self):
        """The pids of the postmaster's children."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and parent_of(int(entry.name)) == self.process.pid:
                found.append(int(entry.name))
        return found

    def last_words(self):
        """The end of the server's log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else "no log"

    # MARK: replication

    def make_standby(self, directory):
        """A standby of this running cluster, made and not started yet."""
        standby = Cluster(directory, **self.settings)
        standby.password = self.password
        # --checkpoint=fast: the default waits for the next one. --write-recovery-conf: it starts as a standby.
        run_program(
            "pg_basebackup",
            *("--dbname", self.url("postgres"), "--pgdata", standby.data, "--wal-method", "stream"),
            *("--checkpoint", "fast", "--write-recovery-conf", "--no-sync"),
        )
        return standby

    def promote(self):
        """Orders a standby to become a primary, and returns when it is one."""
        run_program("pg_ctl", "promote", "--pgdata", self.data, "--wait")


@contextlib.contextmanager
def directory_of_its_own():
    """A directory that PostgreSQL's user owns and reaches: pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="milepost-postgres-", ignore_cleanup_errors=True) as directory:
        give_away(directory)
        yield Path(directory)


@contextlib.contextmanager
def throwaway(**settings):
    """A running cluster that is stopped and removed at the end."""
    with directory_of_its_own() as directory, stopped_at_the_end(Cluster(directory, **settings)) as cluster:
        yield cluster.create().start()


@contextlib.contextmanager
def stopped_at_the_end(cluster):
    """Sees to it that a cluster does not outlive the block, in whatever state the block leaves it."""
    try:
        yield cluster
    finally:
        cluster.end()


def parent_of(pid):
    """The parent's pid; 0 when the process is gone."""
    try:
        # The name, in parentheses, may hold anything.
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def is_alive(pid):
    """Whether a process still runs: one that waits to be reaped does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def send(pid, number):
    """Sends a signal to a process that may be gone by now."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
