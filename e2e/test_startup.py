"""Starting, and refusing to start: what an operator sees."""

import json
import os
import re
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from server import answers_ok, binary_path, clean_environment, free_port, wait_until

FAILED = 1
USAGE = 64
START_LIMIT = 20
# The server gives requests in flight ten seconds; the rest is for closing the store on a busy machine.
DRAIN_LIMIT = 12.5


def milepost(*arguments, binary=None, environment=None, directory=None, limit=START_LIMIT):
    """Runs the program, or another build of it, to its end."""
    return subprocess.run(
        [str(binary or binary_path()), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit,
        env=clean_environment(**(environment or {})),
        cwd=directory,
    )


def assert_refused(ended, code, *words):
    """One line on standard error that has all `words`, nothing on standard output, and the exit code."""
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, ended.stderr
    assert "Fatal error" not in ended.stderr and "Stack dump" not in ended.stderr
    for word in words:
        assert word in lines[0]


def serve(store="memory:", *options, **how):
    return milepost("serve", "--port", free_port(), "--store", store, *options, **how)


# MARK: the machine is not as it should be


def test_port_in_use():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = milepost("serve", "--port", port, "--store", "memory:")
        assert_refused(ended, FAILED, str(port), "in use", "--port")


def test_address_of_another_machine():
    assert_refused(serve("memory:", "--host", "192.0.2.1", "--insecure-allow-open"), FAILED, "192.0.2.1", "--host")


@pytest.mark.parametrize("host", ["x" * 64, "[::1]", ""], ids=["name", "brackets", "empty"])
def test_host_that_cannot_be_looked_up(host):
    assert_refused(serve("memory:", "--host", host, "--insecure-allow-open"), FAILED, f"host '{host}' cannot be looked up", "--host")


@pytest.mark.parametrize(
    "path",
    ["missing/milepost.db", "file/milepost.db", "directory"],
    ids=["no directory", "under a file", "a directory"],
)
def test_path_that_cannot_be_a_store(tmp_path, path):
    (tmp_path / "file").write_text("not a directory")
    (tmp_path / "directory").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert_refused(serve(f"sqlite:{tmp_path / path}"), FAILED, str(tmp_path / path))
    assert [entry for entry in sorted(tmp_path.rglob("*")) if entry.suffix != ".lock"] == before


def test_file_locked_by_another_server(start_server, tmp_path):
    store = f"sqlite:{tmp_path / 'milepost.db'}"
    first = start_server(store)
    assert_refused(serve(store), FAILED, "in use", "--store")
    (tmp_path / "other-name.db").symlink_to(tmp_path / "milepost.db")
    assert_refused(serve(f"sqlite:{tmp_path / 'other-name.db'}"), FAILED, "in use")
    assert answers_ok(f"{first.base_url}/readyz")
    first.stop()
    start_server(store)


GARBAGE = b"This is not a database. " * 4096
SQLITE_HEADER = b"SQLite format 3\0"


@pytest.mark.parametrize("content", [GARBAGE, GARBAGE[:100], SQLITE_HEADER + GARBAGE], ids=["text", "short", "header"])
def test_corrupt_file(tmp_path, content):
    path = tmp_path / "milepost.db"
    path.write_bytes(content)
    assert_refused(serve(f"sqlite:{path}"), FAILED, str(path))
    assert path.read_bytes() == content


def test_damaged_store(start_server, sqlite_store, tmp_path):
    """A file that was a store, with its first page overwritten behind the header."""
    start_server(sqlite_store).stop()
    path = tmp_path / "milepost.db"
    content = bytearray(path.read_bytes())
    content[100:4096] = bytes(3996)
    path.write_bytes(content)
    assert_refused(serve(sqlite_store), FAILED, str(path))


def execute(path, *statements):
    """Changes an SQLite file as another program would."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_schema_newer_than_the_program(start_server, sqlite_store, tmp_path):
    start_server(sqlite_store).stop()
    path = tmp_path / "milepost.db"
    execute(path, "INSERT INTO grdb_migrations (identifier) VALUES ('9999 what comes later')")
    content = path.read_bytes()
    assert_refused(serve(sqlite_store), FAILED, str(path), "newer")
    assert path.read_bytes() == content


def test_a_first_start_that_was_killed(start_server, sqlite_store, tmp_path):
    """All that it had done is to make the table in which migrations are noted."""
    execute(tmp_path / "milepost.db", "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
    start_server(sqlite_store)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE recipes (name TEXT)"],
        ["PRAGMA application_id = 42", "CREATE TABLE recipes (name TEXT)"],
        ["CREATE TABLE checkpoints (thread_id TEXT, checkpoint BLOB)"],
        ["CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)", "CREATE TABLE recipes (name TEXT)"],
    ],
    ids=["tables", "application id", "table of that name", "migrations of another"],
)
def test_database_of_another_program(tmp_path, statements):
    path = tmp_path / "theirs.db"
    execute(path, *statements)
    content = path.read_bytes()
    assert_refused(serve(f"sqlite:{path}"), FAILED, str(path))
    assert path.read_bytes() == content


# MARK: the command line is not as it should be


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--frobnicate"], ["--frobnicate"]),
        (["serve", "--port"], ["--port"]),
        (["serve", "--port", "abc"], ["port", "abc"]),
        (["serve", "--port", "70000"], ["port", "70000"]),
        (["serve", "--port=-1"], ["port", "-1"]),
        (["serve", "--max-body-bytes", "0"], ["max-body-bytes"]),
        (["serve", "--store", "nonsense"], ["--store", "nonsense", "sqlite:", "memory:"]),
        (["serve", "--store", "mongodb://localhost/agents"], ["--store", "mongodb"]),
        (["serve", "--store", "sqlite:"], ["--store"]),
        (["serve", "--store", ""], ["--store"]),
        (["serve", "--log-level", "loud"], ["log-level", "loud"]),
        (["serve", "--log-format", "xml"], ["log-format", "xml"]),
        (["serve", "--max-in-flight-bytes", "1000"], ["max-in-flight-bytes", "1000", "max-body-bytes", "67108864"]),
        (["serve", "surplus"], ["surplus"]),
        (["frobnicate"], ["frobnicate"]),
        (["--frobnicate"], ["--frobnicate"]),
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments, words, tmp_path):
    assert_refused(milepost(*arguments, directory=tmp_path), USAGE, *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"MILEPOST_PORT": "abc"}, "port"),
        ({"MILEPOST_PORT": "70000"}, "port"),
        ({"MILEPOST_STORE": "nonsense"}, "nonsense"),
        ({"MILEPOST_LOG_LEVEL": "loud"}, "loud"),
        ({"MILEPOST_CONFIG": "missing.json"}, "missing.json"),
    ],
    ids=str,
)
def test_wrong_environment(environment, word, tmp_path):
    assert_refused(milepost("serve", environment=environment, directory=tmp_path), USAGE, word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "milepost.json"),
        ("[]", "milepost.json"),
        ('{"port": "abc"}', "port"),
        ('{"port": 70000}', "port"),
        ('{"stoer": "memory:"}', "stoer"),
    ],
)
def test_wrong_configuration_file(text, word, tmp_path):
    path = tmp_path / "milepost.json"
    path.write_text(text)
    assert_refused(milepost("serve", "--config", path, directory=tmp_path), USAGE, word)


def test_version():
    shown = milepost("--version")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.fullmatch(r"(milepost )?\d+\.\d+\.\d+\S*\n", shown.stdout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["milepost serve", "http://localhost:5003", "--version"]),
        (["-h"], ["milepost serve"]),
        (["serve", "--help"], ["--host", "--port", "--store", "sqlite:", "memory:", "5003", "MILEPOST_", "--config"]),
        (["help", "serve"], ["--store"]),
    ],
    ids=" ".join,
)
def test_help(arguments, words):
    shown = milepost(*arguments)
    assert (shown.returncode, shown.stderr) == (0, "")
    for word in words:
        assert word in shown.stdout


# MARK: where options come from


class Started:
    """A server started exactly as given: no option is added."""

    def __init__(self, directory, arguments, environment):
        self._log = open(Path(directory) / "log", "wb")
        self.process = subprocess.Popen(
            [str(binary_path()), "serve", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=clean_environment(**environment),
            cwd=directory,
        )

    def wait_for(self, port, host="127.0.0.1"):
        """Waits until this very process answers there."""
        wait_until(lambda: self._answers(host, port), START_LIMIT, f"milepost answers on {host}:{port}")

    def _answers(self, host, port):
        assert self.process.poll() is None, "milepost ended"
        return answers_ok(f"http://{host}:{port}/readyz")

    def end(self):
        self.process.terminate()
        code = self.process.wait(DRAIN_LIMIT)
        self._log.close()
        return code


@pytest.fixture
def start(tmp_path):
    """Starts `milepost serve` in an empty directory with these arguments and this environment."""
    running = []

    def begin(*arguments, **environment):
        started = Started(tmp_path, arguments, environment)
        running.append(started)
        return started

    yield begin
    assert [started.end() for started in running] == [0] * len(running)


def configuration(directory, **values):
    """A configuration file; `log_level` stands for the key `log-level`."""
    path = directory / "milepost.json"
    path.write_text(json.dumps({name.replace("_", "-"): value for name, value in values.items()}))
    return path


def test_options(start, tmp_path):
    port = free_port()
    start("--host", "127.0.0.2", "--port", port, "--store", "sqlite:mine.db").wait_for(port, "127.0.0.2")
    assert not answers_ok(f"http://127.0.0.1:{port}/healthz")
    assert (tmp_path / "mine.db").exists()


def test_environment(start, tmp_path):
    port = free_port()
    started = start(MILEPOST_HOST="127.0.0.2", MILEPOST_PORT=str(port), MILEPOST_STORE="sqlite:mine.db")
    started.wait_for(port, "127.0.0.2")
    assert not answers_ok(f"http://127.0.0.1:{port}/healthz")
    assert (tmp_path / "mine.db").exists()


def test_the_log_has_the_url_of_an_ipv6_address(start, tmp_path):
    port = free_port()
    start("--host", "::1", "--port", port, "--store", "memory:", "--log-format", "json").wait_for(port, "[::1]")
    lines = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert [line["url"] for line in lines if line["message"] == "listening"] == [f"http://[::1]:{port}"]


@pytest.mark.parametrize("named", ["option", "environment"])
def test_configuration_file(start, tmp_path, named):
    port = free_port()
    values = {"host": "127.0.0.2", "port": port, "store": "sqlite:mine.db", "log_level": "error"}
    path = configuration(tmp_path, **values, max_body_bytes=1000)
    started = start("--config", path) if named == "option" else start(MILEPOST_CONFIG=str(path))
    started.wait_for(port, "127.0.0.2")
    assert not answers_ok(f"http://127.0.0.1:{port}/healthz")
    assert (tmp_path / "mine.db").exists()
    assert (tmp_path / "log").read_text() == ""


def test_an_option_counts_before_the_environment_and_that_before_the_file(start, tmp_path):
    option, environment, file = free_port(), free_port(), free_port()
    path = configuration(tmp_path, port=file, store="memory:", host="127.0.0.2")
    start("--config", path).wait_for(file, "127.0.0.2")
    start("--config", path, MILEPOST_PORT=str(environment)).wait_for(environment, "127.0.0.2")
    start("--config", path, "--port", option, MILEPOST_PORT=str(free_port())).wait_for(option, "127.0.0.2")


def test_the_default_store_is_a_file_in_the_working_directory(start, tmp_path):
    port = free_port()
    start("--port", port).wait_for(port)
    assert (tmp_path / "milepost.db").exists()


def test_only_the_owner_may_read_the_store(start_server, sqlite_store, tmp_path):
    start_server(sqlite_store)
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.glob("milepost.db*")}
    assert "milepost.db" in modes and set(modes.values()) == {0}


def forget_pages(path):
    """Lets the system forget what it holds of a file."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_memory_at_rest(start_server, sqlite_store):
    """What only starting needed has been given back by the time it listens.

    It comes to 19 to 26 MB, of which 13 to 20 are pages of the program's file, which the system takes back when it needs them.
    A file that was only just linked is in memory in large pieces, and a touch of one counts all of it: up to 40 MB.
    """
    forget_pages(binary_path())
    server = start_server(sqlite_store)
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    resident, own = (int(re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)[1]) for name in ("VmRSS", "RssAnon"))
    assert resident < 30_000, f"{resident} kB"
    assert own < 7_000, f"{own} kB of its own"
