"""`milepost verify`: the built binary on files as an operator has them, served, damaged, or not there."""

import base64
import json
import signal
import sqlite3
import subprocess
import threading

import pytest

import load
from server import binary_path, clean_environment, wait_until
from test_startup import FAILED, USAGE, assert_refused, execute, milepost

DAMAGED = 2
COUNTS = ("threads", "checkpoints", "blobs", "writes")
NAMES = ("tenant", "thread_id", "checkpoint_ns", "checkpoint_id", "channel", "version", "task_id")


def put(client, thread_id, number, text):
    blob = base64.b64encode(text.encode()).decode()
    body = {
        "thread_id": thread_id,
        "checkpoint_id": f"c{number}",
        "checkpoint": {"id": f"c{number}", "channel_versions": {"messages": str(number)}},
        "blobs": [{"channel": "messages", "version": str(number), "type": "text", "blob": blob}],
    }
    assert client.post("put", body)[0] == 200


@pytest.fixture
def closed_file(start_server, sqlite_store, tmp_path):
    """A store that no server has open: threads `sound` and `hit`, each with three versions of a channel that grows."""
    server = start_server(sqlite_store)
    client = load.Client(server.port)
    for thread_id in ("sound", "hit"):
        for number in range(1, 4):
            put(client, thread_id, number, "".join(f"{thread_id} {word} " for word in range(number * 400)))
    write = {"task_id": "task", "idx": 0, "channel": "messages", "type": "text", "blob": "aGVsbG8="}
    assert client.post("put-writes", {"thread_id": "hit", "checkpoint_id": "c3", "writes": [write]})[0] == 204
    client.close()
    server.stop()
    return tmp_path / "milepost.db"


def flip_a_byte(path, thread_id, version):
    """Changes one byte in the middle of a blob's payload, as a bad disk would."""
    connection = sqlite3.connect(path)
    row, payload = connection.execute(
        "SELECT blob, payload FROM blobs JOIN threads USING (thread) WHERE thread_id = ? AND version = ?",
        (thread_id, version),
    ).fetchone()
    damaged = bytearray(payload)
    damaged[len(damaged) // 2] ^= 0x20
    connection.execute("UPDATE blobs SET payload = ? WHERE blob = ?", (bytes(damaged), row))
    connection.commit()
    connection.close()


def test_sound_file(closed_file, sqlite_store):
    before = closed_file.read_bytes()
    ended = milepost("verify", "--store", sqlite_store)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "checked 6 checkpoints, 6 blobs, 1 writes of 2 threads: no damage\n"
    assert closed_file.read_bytes() == before


def test_where_the_store_comes_from(closed_file, sqlite_store, tmp_path):
    for arguments, how in [
        ([], {"directory": tmp_path}),
        ([], {"environment": {"MILEPOST_STORE": sqlite_store}}),
        (["--store", sqlite_store], {"environment": {"MILEPOST_STORE": "sqlite:other.db"}}),
    ]:
        assert milepost("verify", *arguments, **how).returncode == 0


def test_json_of_a_sound_file(closed_file, sqlite_store):
    ended = milepost("verify", "--store", sqlite_store, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {
        "store": sqlite_store, "ok": True, "threads": 2, "checkpoints": 6, "blobs": 6, "writes": 1,
        "threads_damaged": [], "problems": [],
    }


def test_a_flipped_byte(closed_file, sqlite_store):
    flip_a_byte(closed_file, "hit", "1")
    ended = milepost("verify", "--store", sqlite_store)
    assert ended.returncode == DAMAGED, ended.stderr
    assert ended.stderr == ""
    *problems, summary = ended.stdout.splitlines()
    # The first version, and those that are read through it.
    assert [line.split(":")[0] for line in problems] == [
        f'blob of thread "hit", channel "messages", version "{number}"' for number in (1, 2, 3)
    ]
    assert summary == "checked 6 checkpoints, 6 blobs, 1 writes of 2 threads: 3 problems in 1 thread"

    ended = milepost("verify", "--store", sqlite_store, "--json")
    assert (ended.returncode, ended.stderr) == (DAMAGED, "")
    found = json.loads(ended.stdout)
    assert list(found) == ["store", "ok", *COUNTS, "threads_damaged", "problems"]
    assert found["threads_damaged"] == [{"tenant": "", "thread_id": "hit", "problems": 3}]
    assert found["ok"] is False
    for number, problem in enumerate(found["problems"], 1):
        assert list(problem) == ["what", *NAMES, "detail"]
        assert problem["what"] == "blob" and problem["detail"]
        assert [problem[name] for name in NAMES] == ["", "hit", "", None, "messages", str(number), None]


def test_a_file_that_is_being_written(start_server, sqlite_store):
    server = start_server(sqlite_store)
    stopping = threading.Event()
    failures = []

    def delete_and_write():
        client = load.Client(server.port)
        try:
            while not stopping.is_set():
                for number in range(5):
                    put(client, "passing", number, "word " * 200 * (number + 1))
                assert client.post("delete-thread", {"thread_id": "passing"})[0] == 204
        except Exception as error:  # Kept for the main thread.
            failures.append(error)
        finally:
            client.close()

    deleting = threading.Thread(target=delete_and_write, daemon=True)
    with load.Load(server.port, "verify", "verify", clients=4) as running:
        deleting.start()
        wait_until(lambda: running.acknowledged > 200, 30, "some changes are stored")
        for _ in range(5):
            before = running.acknowledged
            ended = milepost("verify", "--store", sqlite_store, "--json")
            assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
            found = json.loads(ended.stdout)
            assert found["ok"] and found["checkpoints"] > 0 and found["writes"] > 0
            assert running.acknowledged > before, "changes go on meanwhile"
        stopping.set()
        deleting.join(load.TIMEOUT)
    assert failures == []
    client = load.Client(server.port)
    for writer in running.writers:
        load.settle(client, writer)
    client.close()
    server.stop()
    assert milepost("verify", "--store", sqlite_store).returncode == 0


def test_the_log_of_a_crash(start_server, sqlite_store):
    """What only the log has is verified too, and the next start finds it."""
    server = start_server(sqlite_store)
    client = load.Client(server.port)
    put(client, "crashed", 1, "word " * 100)
    client.close()
    server.kill()
    ended = milepost("verify", "--store", sqlite_store, "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["checkpoints"] == 1
    server.start()
    client = load.Client(server.port)
    assert client.post("get-tuple", {"thread_id": "crashed"})[1]["checkpoint"]["id"] == "c1"
    client.close()


def test_missing_file(tmp_path):
    path = tmp_path / "milepost.db"
    assert_refused(milepost("verify", "--store", f"sqlite:{path}"), FAILED, str(path), "--store")
    assert list(tmp_path.iterdir()) == []


def test_refused_files(tmp_path):
    path = tmp_path / "milepost.db"
    path.write_bytes(b"This is not a database. " * 400)
    assert_refused(milepost("verify", "--store", f"sqlite:{path}"), FAILED, str(path))
    path.unlink()
    execute(path, "CREATE TABLE recipes (name TEXT)")
    assert_refused(milepost("verify", "--store", f"sqlite:{path}", "--json"), FAILED, str(path), "not a store")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("INSERT INTO grdb_migrations (identifier) VALUES ('9999 what comes later')", ["newer"]),
        ("DELETE FROM grdb_migrations WHERE identifier = (SELECT max(identifier) FROM grdb_migrations)",
         ["older", "milepost serve"]),
    ],
    ids=["newer", "older"],
)
def test_other_layouts(closed_file, sqlite_store, statement, words):
    execute(closed_file, statement)
    content = closed_file.read_bytes()
    assert_refused(milepost("verify", "--store", sqlite_store), FAILED, str(closed_file), *words)
    assert closed_file.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--store", "memory:"], ["--store", "memory:"]),
        (["--store", "nonsense"], ["--store", "nonsense"]),
        (["--port", "1"], ["--port", "milepost verify --help"]),
        (["surplus"], ["surplus"]),
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments, words, tmp_path):
    assert_refused(milepost("verify", *arguments, directory=tmp_path), USAGE, *words)
    assert list(tmp_path.iterdir()) == []


def test_interrupted(closed_file, sqlite_store):
    """SIGINT ends it at once, whenever it comes, and leaves the file as it is."""
    content = closed_file.read_bytes()
    process = subprocess.Popen(
        [str(binary_path()), "verify", "--store", sqlite_store],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    process.send_signal(signal.SIGINT)
    assert process.wait(10) in (0, -signal.SIGINT)
    assert closed_file.read_bytes() == content
    assert milepost("verify", "--store", sqlite_store).returncode == 0
