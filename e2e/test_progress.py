"""Progress on a terminal, lines elsewhere, and Ctrl-C: what it says and what it leaves."""

import os
import pty
import select
import signal
import subprocess
import time

import pytest

import load
from preloaded import Preloaded
from server import binary_path, clean_environment
from test_startup import milepost
from test_verify import put

LIMIT = 60
# Nanoseconds for a kibibyte: two seconds and more for `large`, and so never done before a signal comes.
SLOW = 60_000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A store large enough that copying and reading it takes some time."""
    from server import Server

    directory = tmp_path_factory.mktemp("large")
    server = Server(f"sqlite:{directory / 'a.db'}", directory).start()
    client = load.Client(server.port)
    for number in range(120):
        put(client, f"t{number}", 1, os.urandom(300_000).hex())
    client.close()
    server.stop()
    return directory / "a.db"


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """The environment of a program whose disk is slow to read."""
    disk = Preloaded("slow_reads", tmp_path_factory.mktemp("slow"))
    disk.write(SLOW)
    return disk.environment


def on_terminal(*arguments, signal_at=None, **environment):
    """Runs a command on a terminal of 80 columns; sends SIGINT once `signal_at` was drawn. Gives code and output."""
    outer, inner = pty.openpty()
    environment = clean_environment(TERM="xterm", **{"LC_ALL": "C.UTF-8", **environment})
    command = [str(binary_path()), *map(str, arguments)]
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, env=environment)
    os.close(inner)
    seen, deadline = b"", time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if select.select([outer], [], [], 0.1)[0]:
            try:
                data = os.read(outer, 1 << 16)
            except OSError:
                break
            seen += data
            if signal_at and signal_at in seen:
                process.send_signal(signal.SIGINT)
                signal_at = None
    os.close(outer)
    return process.wait(LIMIT), seen.decode()


def test_bar(large, tmp_path):
    code, text = on_terminal("verify", "--store", f"sqlite:{large}")
    assert code == 0 and "▕" in text and " %  " in text
    code, text = on_terminal("verify", "--store", f"sqlite:{large}", LC_ALL="C")
    assert code == 0 and text.isascii() and "[#" in text.replace("[.", "[#")
    for line in text.split("\r"):
        assert len(line.replace("\x1b[K", "").strip("\n")) < 100


def test_no_bar_elsewhere(large):
    ended = milepost("verify", "--store", f"sqlite:{large}")
    assert ended.returncode == 0 and "\r" not in ended.stderr and "\x1b" not in ended.stderr


def test_interrupted_backup(large, tmp_path, slow):
    copy = tmp_path / "copy.db"
    code, text = on_terminal("backup", "--store", f"sqlite:{large}", copy, signal_at=b" %  ", **slow)
    assert code == -signal.SIGINT and "interrupted: there is no" in text
    assert list(tmp_path.iterdir()) == []


def test_interrupted_restore(large, tmp_path, slow):
    copy, target = tmp_path / "copy.db", tmp_path / "b.db"
    assert milepost("backup", "--store", f"sqlite:{large}", copy).returncode == 0
    code, text = on_terminal("restore", "--store", f"sqlite:{target}", copy, signal_at=b" %  ", **slow)
    assert code == -signal.SIGINT and "the store is as it was" in text
    assert not target.exists() and list(tmp_path.glob("*.restoring*")) == []


def test_interrupted_verify(large, slow):
    content = large.read_bytes()
    code, text = on_terminal("verify", "--store", f"sqlite:{large}", signal_at=b"checking", **slow)
    assert code == -signal.SIGINT and "nothing was changed" in text
    assert large.read_bytes() == content


def test_interrupted_export_and_import(large, tmp_path, slow):
    """Both go on where they were, when they are run again."""
    file, target = tmp_path / "a.jsonl.zst", tmp_path / "b.db"
    export = ("export", "--store", f"sqlite:{large}", "--output", file)
    code, text = on_terminal(*export, signal_at=b" %  ", **slow)
    assert code == -signal.SIGINT and "▕" in text and "run the same command again" in text
    again = milepost(*export)
    assert again.returncode == 0 and "exported 120 threads" in again.stderr, again.stderr
    taking = ("import", "--store", f"sqlite:{target}", "--input", file)
    code, text = on_terminal(*taking, signal_at=b" %  ", **slow)
    assert code == -signal.SIGINT and "▕" in text
    assert milepost(*taking).returncode == 0
    assert milepost("verify", "--store", f"sqlite:{target}").stdout.startswith("checked 120 checkpoints")


def test_interrupted_prune(start_server, sqlite_store, slow):
    """Between two portions: every thread has its newest checkpoint, and the rest goes with the next run."""
    server = start_server(sqlite_store)
    client = load.Client(server.port)
    for number in range(300):
        for checkpoint in (1, 2):
            put(client, f"t{number}", checkpoint, os.urandom(2_000).hex())
    client.close()
    server.stop()
    prune = ("prune", "--store", sqlite_store, "--keep-last", "1", "--apply")
    code, text = on_terminal(*prune, signal_at=b" %  ", **slow)
    assert code == -signal.SIGINT and "▕" in text
    checked = milepost("verify", "--store", sqlite_store)
    assert checked.returncode == 0, checked.stdout
    left = int(checked.stdout.split()[1].replace(",", ""))
    assert 300 < left < 600, f"not in the middle: {left} checkpoints"
    ended = milepost(*prune)
    assert ended.returncode == 0, ended.stderr
    assert milepost("verify", "--store", sqlite_store).stdout.startswith("checked 300 checkpoints")
