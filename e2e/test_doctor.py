"""`milepost doctor` and `milepost health`: each check made to fail for real."""

import json
import os

import pytest

import cluster
import postgres
from server import free_port
from test_startup import FAILED, USAGE, assert_refused, execute, milepost

PROBLEMS = 2


def doctor(*arguments):
    """What was found, by check: (state, text); the exit code agrees with it."""
    ended = milepost("doctor", "--port", free_port(), "--json", *arguments)
    assert ended.stderr == "", ended.stderr
    found = json.loads(ended.stdout)
    states = [finding["state"] for finding in found["findings"]]
    assert ended.returncode == (PROBLEMS if "problem" in states else 0)
    checks = {}
    for finding in found["findings"]:
        checks.setdefault(finding["check"], []).append((finding["state"], finding["text"]))
    return checks


def only(checks, name, state, *words):
    """The finding of that name and state has all these words."""
    found = [text for known, text in checks.get(name, []) if known == state]
    assert found, checks
    for word in words:
        assert any(word in text for text in found), found


@pytest.fixture
def store(start_server, sqlite_store, tmp_path):
    """The path of a store that was made and closed."""
    start_server(sqlite_store).stop()
    return tmp_path / "milepost.db"


def test_all_is_well(store, start_server, sqlite_store, tmp_path):
    before = sorted(os.listdir(tmp_path))
    checks = doctor("--store", sqlite_store, "--full")
    for name in ("versions", "configuration", "permissions", "store", "access", "open files", "server"):
        only(checks, name, "ok")
    assert sorted(set(os.listdir(tmp_path)) - {"milepost.db-wal", "milepost.db-shm"}) == before
    server = start_server(sqlite_store)
    ended = milepost("doctor", "--store", sqlite_store, "--port", server.port, "--json")
    texts = [finding["text"] for finding in json.loads(ended.stdout)["findings"] if finding["check"] == "server"]
    assert "takes changes" in texts[0]
    assert milepost("health", "--url", server.base_url).stdout == ""
    assert milepost("health", "--url", server.base_url, "--live").returncode == 0


def test_health_of_nothing():
    assert_refused(milepost("health", "--url", f"http://127.0.0.1:{free_port()}"), FAILED, "cannot reach")
    assert_refused(milepost("health", "--url", "nonsense"), USAGE, "nonsense")


def test_every_error_of_the_configuration():
    ended = milepost("doctor", "--port", "99999", "--log-level", "loud", "--store", "memory:", "--json")
    assert ended.returncode == PROBLEMS
    texts = [f["text"] for f in json.loads(ended.stdout)["findings"] if f["check"] == "configuration"]
    assert len(texts) == 2 and "port" in texts[0] and "log-level" in texts[1]
    only(doctor("--host", "0.0.0.0", "--store", "memory:"), "configuration", "problem", "--insecure-allow-open")
    only(doctor("--host", "0.0.0.0", "--insecure-allow-open", "--store", "memory:"), "exposure", "warning", "api-keys")


def test_files(store, sqlite_store, tmp_path):
    store.chmod(0o644)
    only(doctor("--store", sqlite_store), "permissions", "warning", "chmod 600")
    store.chmod(0o600)
    only(doctor("--store", f"sqlite:{tmp_path}/none/a.db"), "permissions", "problem", "none")
    keys = tmp_path / "keys.json"
    only(doctor("--store", sqlite_store, "--encryption-keys-file", keys), "encryption", "problem", str(keys))
    only(doctor("--store", sqlite_store, "--api-keys-file", keys), "access", "problem", "milepost keys create")
    keys.write_text(milepost("rekey", "--new-key", "k").stdout)
    keys.chmod(0o644)
    only(doctor("--store", sqlite_store, "--encryption-keys-file", keys), "secrets", "warning", "chmod 600")
    keys.chmod(0o600)
    only(doctor("--store", sqlite_store, "--encryption-keys-file", keys), "store", "problem", "is not encrypted")
    tls = ("--tls-certificate-file", keys, "--tls-key-file", keys)
    only(doctor("--store", sqlite_store, *tls), "tls", "problem", "PEM")


def test_stores(store, sqlite_store, tmp_path):
    execute(store, "INSERT INTO grdb_migrations (identifier) VALUES ('9999 what comes later')")
    only(doctor("--store", sqlite_store), "store", "problem", "newer")
    foreign = tmp_path / "foreign.db"
    execute(foreign, "CREATE TABLE recipes (name TEXT)")
    foreign.chmod(0o600)
    only(doctor("--store", f"sqlite:{foreign}"), "store", "problem", "not a store")
    wreck = tmp_path / "wreck.db"
    wreck.write_bytes(b"This is not a database. " * 400)
    wreck.chmod(0o600)
    only(doctor("--store", f"sqlite:{wreck}"), "store", "problem", "damaged")
    assert list(tmp_path.glob("*.doctor-probe")) == []


def test_memory_file_system(tmp_path):
    only(doctor("--store", "sqlite:/dev/shm/milepost-doctor.db"), "file system", "warning", "tmpfs")
    assert not os.path.exists("/dev/shm/milepost-doctor.db.doctor-probe")


def test_postgresql(start_server, postgres_store):
    only(doctor("--store", postgres_store), "tables", "warning", "not ready", "milepost migrate")
    start_server(postgres_store).stop()
    checks = doctor("--store", postgres_store)
    for name in ("postgresql", "durability", "tables", "connections", "their clock"):
        only(checks, name, "ok")
    wrong = postgres.changed(postgres_store, password="wrong")
    only(doctor("--store", wrong), "postgresql", "problem", "password")
    weak = postgres.new_role(postgres_store, 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
    only(doctor("--store", weak), "tables", "problem", "lacks")
    down = postgres.changed(postgres_store, port=free_port())
    only(doctor("--store", down), "postgresql", "problem", "cannot connect")


def test_postgresql_that_does_not_flush():
    with cluster.throwaway(fsync="off") as running:
        url = postgres.new_database(running.url())
        only(doctor("--store", url), "durability", "problem", "fsync = off", "set it to on")
