"""`milepost backup` and `milepost restore`: beside a server under load, as a drill, and refused."""

import hashlib
import json
import shutil
import subprocess

import pytest

import load
import postgres
from server import wait_until
from test_startup import FAILED, USAGE, assert_refused, execute, milepost
from test_verify import DAMAGED, flip_a_byte, put


@pytest.fixture
def closed_store(start_server, sqlite_store, tmp_path):
    """The path of a store that no server has open, with two threads."""
    server = start_server(sqlite_store)
    client = load.Client(server.port)
    for thread_id in ("sound", "hit"):
        for number in range(1, 4):
            put(client, thread_id, number, f"{thread_id} " * 400 * number)
    client.close()
    server.stop()
    return tmp_path / "milepost.db"


def backup(store, target, *options):
    """Makes a backup that has to succeed, and gives what --json says."""
    ended = milepost("backup", "--store", f"sqlite:{store}", target, "--json", *options)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return json.loads(ended.stdout)


def exported(store, path):
    """The lines of an export, without those that name the store."""
    ended = milepost("export", "--store", f"sqlite:{store}", "--output", path)
    assert ended.returncode == 0, ended.stderr
    lines = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout.splitlines()
    return lines[1:]


def test_under_load(start_server, sqlite_store, tmp_path):
    """What was acknowledged before is in the copy; the copy is sound; changes go on."""
    store = tmp_path / "milepost.db"
    server = start_server(sqlite_store)
    with load.Load(server.port, "backup", "backup", clients=4) as running:
        wait_until(lambda: running.acknowledged > 300, 60, "some changes are stored")
        for number in range(3):
            client = load.Client(server.port)
            put(client, f"before-{number}", 1, "acknowledged")
            before = running.acknowledged
            copy = tmp_path / f"copy-{number}.db"
            found = backup(store, copy)
            assert found["verified"] and found["bytes"] == copy.stat().st_size
            assert found["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()
            assert (tmp_path / f"copy-{number}.db.sha256").read_text() == f"{found['sha256']}  copy-{number}.db\n"
            wait_until(lambda: running.acknowledged > before, 30, "changes go on")
            client.close()
            lines = exported(copy, tmp_path / f"copy-{number}.zst")
            threads = [json.loads(line)["thread"]["thread_id"] for line in lines if line.startswith(b'{"thread"')]
            assert f"before-{number}" in threads
    assert not list(tmp_path.glob("*.partial*"))


def test_restore_drill(closed_store, start_server, tmp_path):
    """A store is lost, and comes back byte for byte."""
    copy = tmp_path / "copy.db"
    backup(closed_store, copy)
    expected = exported(closed_store, tmp_path / "before.zst")
    assert subprocess.run(["sha256sum", "--check", "--quiet", "copy.db.sha256"], cwd=tmp_path).returncode == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    old = closed_store.read_bytes()
    drill = tmp_path / "drill.db"
    ended = milepost("restore", "--store", f"sqlite:{drill}", copy)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    assert exported(drill, tmp_path / "drill.zst") == expected
    ended = milepost("restore", "--store", f"sqlite:{closed_store}", copy, "--replace", "--json")
    assert json.loads(ended.stdout)["kept"] == f"{closed_store}.before-restore"
    assert (tmp_path / "milepost.db.before-restore").read_bytes() == old
    assert exported(closed_store, tmp_path / "after.zst") == expected
    server = start_server(f"sqlite:{closed_store}")
    client = load.Client(server.port)
    assert client.post("get-tuple", {"thread_id": "sound"})[1]["checkpoint"]["id"] == "c3"
    client.close()


def test_damage_is_not_restored(closed_store, tmp_path):
    copy, broken = tmp_path / "copy.db", tmp_path / "broken.db"
    backup(closed_store, copy)
    content = closed_store.read_bytes()
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    shutil.copy(f"{copy}.sha256", f"{broken}.sha256")
    restore = ("restore", "--store", f"sqlite:{closed_store}", "--replace")
    assert_refused(milepost(*restore, broken), FAILED, "is not what was backed up", "SHA-256")
    broken.write_bytes(copy.read_bytes())
    flip_a_byte(broken, "hit", "1")
    (tmp_path / "broken.db.sha256").unlink()
    assert_refused(milepost(*restore, broken), FAILED, "there is no", "--without-checksum")
    ended = milepost(*restore, broken, "--without-checksum")
    assert ended.returncode == DAMAGED
    assert all('thread "hit"' in line for line in ended.stdout.splitlines()) and ended.stdout
    assert "the store is as it was" in ended.stderr and "milepost export" in ended.stderr
    assert closed_store.read_bytes() == content
    assert not list(tmp_path.glob("*.restoring*")) and not list(tmp_path.glob("*.before-restore*"))


def test_damage_is_not_backed_up(closed_store, tmp_path):
    flip_a_byte(closed_store, "hit", "1")
    ended = milepost("backup", "--store", f"sqlite:{closed_store}", tmp_path / "copy.db")
    assert ended.returncode == DAMAGED and 'thread "hit"' in ended.stdout and "--no-verify" in ended.stderr
    assert not list(tmp_path.glob("copy.db*"))
    ended = milepost("backup", "--store", f"sqlite:{closed_store}", tmp_path / "copy.db", "--no-verify")
    assert ended.returncode == 0 and "NOT VERIFIED" in ended.stdout


def test_one_damaged_thread_harms_no_other(start_server, sqlite_store, tmp_path):
    """Beside a server under load: all others read the same, verify and export name that thread alone."""
    server = start_server(sqlite_store)
    client = load.Client(server.port)
    for thread_id in ("sound", "hit"):
        put(client, thread_id, 1, f"{thread_id} " * 500)
    sound = client.post("get-tuple", {"thread_id": "sound"})[1]
    client.close()
    server.stop()
    flip_a_byte(tmp_path / "milepost.db", "hit", "1")
    server.start()
    with load.Load(server.port, "damage", "damage", clients=3) as running:
        wait_until(lambda: running.acknowledged > 100, 60, "some changes are stored")
        client = load.Client(server.port)
        assert client.post("get-tuple", {"thread_id": "sound"})[1] == sound
        assert client.post("get-tuple", {"thread_id": "hit"})[0] == 500
        ended = milepost("verify", "--store", sqlite_store, "--json")
        assert ended.returncode == DAMAGED
        assert json.loads(ended.stdout)["threads_damaged"] == [{"tenant": "", "thread_id": "hit", "problems": 1}]
        ended = milepost("export", "--store", sqlite_store, "--output", tmp_path / "a.zst")
        assert ended.returncode == DAMAGED
        assert [line for line in ended.stderr.splitlines() if "left out" in line][0].startswith('left out: thread "hit"')
        assert client.post("get-tuple", {"thread_id": "sound"})[1] == sound
        client.close()
    target = tmp_path / "target.db"
    ended = milepost("import", "--store", f"sqlite:{target}", "--input", tmp_path / "a.zst")
    assert ended.returncode == 0, ended.stderr
    assert milepost("verify", "--store", f"sqlite:{target}").returncode == 0


def test_refused_backups(closed_store, tmp_path):
    store, copy = f"sqlite:{closed_store}", tmp_path / "copy.db"
    copy.write_text("mine")
    assert_refused(milepost("backup", "--store", store, copy), FAILED, "is there", "--replace")
    assert copy.read_text() == "mine"
    assert_refused(milepost("backup", "--store", store, "-"), USAGE, "standard output")
    assert_refused(milepost("backup", "--store", store, closed_store), USAGE, "the store itself")
    assert_refused(milepost("backup", "--store", store, tmp_path / "no" / "copy.db"), FAILED, "directory that exists")
    assert_refused(milepost("backup", "--store", "memory:", copy), USAGE, "memory:", "sqlite:PATH")
    assert_refused(milepost("backup", "--store", "postgresql://h/d", copy), USAGE, "pg_basebackup", "pg_dump")
    assert_refused(milepost("restore", "--store", "postgresql://h/d", copy), USAGE, "pg_restore")
    foreign = tmp_path / "foreign.db"
    execute(foreign, "CREATE TABLE recipes (name TEXT)")
    assert_refused(milepost("backup", "--store", f"sqlite:{foreign}", tmp_path / "x.db"), FAILED, "not a store")
    (tmp_path / "left.db.partial").write_text("half of one")
    ended = milepost("backup", "--store", store, tmp_path / "left.db")
    assert ended.returncode == 0 and "left.db.partial is there from a backup that was ended" in ended.stderr
    assert not list(tmp_path.glob("*.partial*"))


def test_a_server_keeps_its_store(start_server, closed_store, tmp_path):
    copy = tmp_path / "copy.db"
    backup(closed_store, copy)
    start_server(f"sqlite:{closed_store}")
    restore = ("restore", "--store", f"sqlite:{closed_store}", copy)
    assert_refused(milepost(*restore), FAILED, "there is a store", "--replace")
    assert_refused(milepost(*restore, "--replace"), FAILED, "in use", "stop that one")
    assert not list(tmp_path.glob("*.before-restore*"))


def test_dump_and_restore_of_postgresql(start_server, postgres_store, tmp_path):
    """pg_dump, as docs/backup.md has it: a server over the restored database answers the same."""
    server = start_server(postgres_store)
    client = load.Client(server.port)
    put(client, "dumped", 1, "word " * 500)
    expected = client.post("get-tuple", {"thread_id": "dumped"})[1]
    client.close()
    server.stop()
    dump = subprocess.run(["pg_dump", "--format=custom", "--dbname", postgres_store], capture_output=True, check=True)
    empty = postgres.new_database()
    subprocess.run(["pg_restore", "--dbname", empty], input=dump.stdout, check=True, capture_output=True)
    restored = start_server(empty)
    client = load.Client(restored.port)
    assert client.post("get-tuple", {"thread_id": "dumped"})[1] == expected
    client.close()
