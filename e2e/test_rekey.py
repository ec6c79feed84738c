"""Encryption at rest as an operator meets it: turned on, killed on the way, another key, turned off."""

import base64
import os
import random
import subprocess
import time

import pytest

import load
import postgres
from exports import threads_of
from server import binary_path, clean_environment
from test_postgres_move import export
from test_startup import FAILED, USAGE, assert_refused, milepost, serve

pytestmark = pytest.mark.breaking

THREADS = 30
BLOB_BYTES = 100_000
SECRET = "the-eagle-has-landed"


def key_file(path, *ids):
    """A file of keys; a key is made once for each id."""
    entries = []
    for name in ids:
        made = path.parent / f"{name}.json"
        if not made.exists():
            ended = milepost("rekey", "--new-key", name)
            assert ended.returncode == 0, ended.stderr
            made.write_text(ended.stdout)
        entries.append(made.read_text().strip().removeprefix('{"keys":[').removesuffix("]}"))
    path.write_text('{"keys":[' + ",".join(entries) + "]}")
    path.chmod(0o600)
    return path


def options(keys):
    return ["--encryption-keys-file", str(keys)]


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path):
    return postgres.new_database() if request.param == "postgres" else f"sqlite:{tmp_path / 'milepost.db'}"


def fill(server):
    """Threads with something that can be searched for, and something that cannot be compressed."""
    client = load.Client(server.port)
    source = random.Random(7)
    for number in range(THREADS):
        blob = base64.b64encode(SECRET.encode() + source.randbytes(BLOB_BYTES)).decode()
        body = {
            "thread_id": f"thread-{number:03}",
            "checkpoint_id": "c1",
            "checkpoint": {"id": "c1", "channel_versions": {"messages": "1"}, "channel_values": {"n": SECRET}},
            "blobs": [{"channel": "messages", "version": "1", "type": "bytes", "blob": blob}],
        }
        assert client.post("put", body)[0] == 200
        write = {"task_id": "task", "idx": 0, "channel": "messages", "type": "null", "blob": blob[:400]}
        place = {"thread_id": body["thread_id"], "checkpoint_id": "c1"}
        assert client.post("put-writes", {**place, "writes": [write]})[0] == 204
    client.close()


def rekey_killed(store, keys, more, check):
    """Kills `rekey` again and again, later each time, until it comes to its end; `check` runs after each."""
    kills = 0
    for step in range(1, 200):
        command = [str(binary_path()), "rekey", "--store", store, "--json", *options(keys), *more]
        process = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.wait(timeout=step * 0.02)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            check()
            continue
        assert process.returncode == 0, process.stderr.read()
        return kills
    raise AssertionError("rekey never came to its end")


def test_turned_on_changed_and_turned_off(start_server, store, tmp_path):
    server = start_server(store)
    fill(server)
    server.stop()
    old, both, new = (
        key_file(tmp_path / name, *ids)
        for name, ids in (("a.json", ["old"]), ("b.json", ["new", "old"]), ("c.json", ["new"]))
    )
    export(store, tmp_path / "plain")
    expected = threads_of(tmp_path / "plain")
    assert len(expected) == THREADS
    assert_refused(serve(store, *options(old)), FAILED, "not encrypted", "milepost rekey")

    def check(*keys):
        def compare():
            target = tmp_path / "found"
            target.unlink(missing_ok=True)
            export(store, target, *keys)
            assert threads_of(target) == expected

        return compare

    kills = [rekey_killed(store, old, [], check(*options(old)))]
    assert_refused(serve(store), FAILED, "is encrypted", "encryption-keys-file")
    assert_refused(serve(store, *options(new), "--encryption-keys-command", "true"), USAGE, "leave one out")
    kills.append(rekey_killed(store, both, [], check(*options(both))))
    check(*options(new))()
    for ended in (milepost("verify", "--store", store, *options(new)), milepost("verify", "--store", store)):
        assert ended.returncode == 0, ended.stdout
    assert milepost("verify", "--store", store, *options(old)).returncode == 2
    if store.startswith("sqlite:"):
        for name in os.listdir(tmp_path):
            if name.startswith("milepost.db"):
                assert SECRET.encode() not in (tmp_path / name).read_bytes()
    server = start_server(store, *options(new))
    client = load.Client(server.port)
    status, found = client.post("get-tuple", {"thread_id": "thread-007", "checkpoint_id": "c1"})
    assert status == 200 and found["checkpoint"]["channel_values"] == {"n": SECRET}
    client.close()
    server.stop()
    rekey_killed(store, new, ["--decrypt"], lambda: time.sleep(0))
    check()()
    server = start_server(store)
    server.stop()
    assert sum(kills) > 2


def test_keys_come_from_a_command(start_server, sqlite_store, tmp_path):
    keys = key_file(tmp_path / "a.json", "a")
    server = start_server(sqlite_store, "--encryption-keys-command", f"cat {keys}")
    fill(server)
    server.stop()
    assert SECRET.encode() not in (tmp_path / "milepost.db").read_bytes()
    ended = serve(sqlite_store, "--encryption-keys-command", f"cat {keys}; exit 3")
    assert_refused(ended, FAILED, "ended with 3")
    keys.chmod(0o644)
    assert_refused(serve(sqlite_store, *options(keys)), FAILED, "chmod 600")
