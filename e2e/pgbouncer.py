"""Debian's pgbouncer in front of a PostgreSQL, in transaction mode, with everything else as it comes."""

import contextlib
import shutil
import signal
import socket
import subprocess

import cluster
import postgres
from server import REPOSITORY, free_port, wait_until

POOL_SIZE = 4
START_LIMIT = 20


def program():
    """Where pgbouncer is; it is installed when it is missing."""
    path = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not shutil.which(path):
        subprocess.run([REPOSITORY / "scripts/install-packages", "pgbouncer"], check=True)
    return path


class Bouncer:
    """One pgbouncer. The port stays the same across starts."""

    def __init__(self, url, directory):
        self.port = free_port()
        self.url = postgres.changed(url, port=self.port)
        self.log = directory / "pgbouncer.log"
        self._process = None
        self._settings = directory / "pgbouncer.ini"
        self._write(directory / "users.txt", f'"{postgres.user_of(url)}" "{postgres.password_of(url)}"\n')
        self._write(
            self._settings,
            "[databases]\n"
            f"* = host=127.0.0.1 port={postgres.port_of(url)}\n"
            "[pgbouncer]\n"
            "listen_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\n"
            "unix_socket_dir =\n"
            "auth_type = scram-sha-256\n"
            f"auth_file = {directory / 'users.txt'}\n"
            "pool_mode = transaction\n"
            f"default_pool_size = {POOL_SIZE}\n",
        )

    @staticmethod
    def _write(path, text):
        path.write_text(text, encoding="ascii")
        path.chmod(0o600)
        cluster.give_away(path)

    def start(self):
        """Starts it and returns when it takes connections."""
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [program(), str(self._settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=cluster.plain_environment(),
                **cluster.unprivileged(),
            )
        wait_until(self._takes_connections, START_LIMIT, "pgbouncer takes connections")
        return self

    def _takes_connections(self):
        assert self._process.poll() is None, f"pgbouncer ended: {self.log_text()}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def end(self, number=signal.SIGTERM):
        """Ends it at once: SIGTERM is an immediate shutdown of its own, SIGKILL a crash."""
        self._process.send_signal(number)
        self._process.wait(START_LIMIT)

    def log_text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def in_front_of(url):
    """A running pgbouncer that gives this database to its user."""
    with cluster.directory_of_its_own() as directory:
        bouncer = Bouncer(url, directory).start()
        try:
            yield bouncer
        finally:
            bouncer.end()
