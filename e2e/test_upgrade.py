"""What every format that ever was holds is there after the program opened it: files, encrypted ones, tables, exports,
backups. Each is kept as it was left (`golden`), the newest too, so that the next format finds it here.

`MILEPOST_KILL_CYCLES` kills the change of tables so often. `test_migration.py` has the rest for files.
"""

import base64
import json
import os
import random
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

import old_layout
import postgres
import recorded
import wire
from conftest import STORES, store_url
from server import REPOSITORY, Server, binary_path, clean_environment, wait_until
from test_migration import check_answers
from test_startup import FAILED, assert_refused, milepost, serve

pytestmark = pytest.mark.breaking

GOLDEN = REPOSITORY / "e2e/golden"
KILLS = int(os.environ.get("MILEPOST_KILL_CYCLES", "6"))
READY_LIMIT = 60
SERVERS = 4
ENCRYPTED = ("writes", "edited", "since layout 1", "order 7: bolts", "awaited", "json")
KEYS = {"keys": [{"id": "golden", "key": base64.b64encode(bytes(range(32))).decode()}]}
# Since layout 4, and version 2 of the tables.
SETTINGS = {
    "growing": {
        "ttl": 86400000,
        "pin": [
            {"checkpoint_ns": "", "checkpoint_id": f"1f0a2b3c-{number:04x}-6abc-8123-456789abcdef"}
            for number in (0x46, 0x47)
        ],
        "hold": False,
    },
    "arrived": {"ttl": 60, "pin": [], "hold": False},
}
OLD_THREADS = ("growing", "order 7: bolts")
# What version 2 of the tables added, taken away.
VERSION_1 = (
    "DROP TABLE milepost_thread_settings, milepost_leases",
    "DELETE FROM milepost_migrations",
    "INSERT INTO milepost_migrations (version) VALUES (1)",
)
# And everything else that is Milepost's: what LangGraph's savers make.
ADOPTED = (
    "DROP TABLE milepost_thread_settings, milepost_leases, milepost_migrations, milepost_probes",
    "DROP INDEX milepost_checkpoints_by_thread",
    "ALTER TABLE checkpoints DROP milepost_checkpoint, DROP milepost_metadata, DROP milepost_digest",
)


def settings(port, thread):
    """What is set for a thread, without its name."""
    answer = wire.exchange(port, wire.head("GET", f"/threads/{thread}/retention", {"host": "127.0.0.1"}), "GET")
    assert answer.status == 200, answer
    return {name: value for name, value in answer.json().items() if name != "thread_id"}


def check_moved_answers(port, threads=None):
    """As `check_answers`, for what went through an export: line breaks between the parts of a document are spaces."""
    differing, checked = [], 0
    for name, case in old_layout.CASES.items():
        if threads is None or json.loads(case["body_text"])["thread_id"] in threads:
            answer = recorded.run(port, case)
            if (answer.status, unbroken(answer.body.decode())) != (200, unbroken(case["expect"]["body"])):
                differing.append(f"{name}: {recorded.difference(case, answer) or 'another order, or other text'}")
            checked += 1
    assert checked > 50 and not differing, "\n".join(differing[:5])


def unbroken(text):
    """In JSON a line break is white space; inside a string it is escaped."""
    return text.replace("\n", " ").replace("\r", " ")


def assert_sound(store, *options):
    ended = milepost("verify", "--store", store, *options)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def tables(version):
    """A database with the tables of a version of Milepost's, or of LangGraph's (0), and all that was stored."""
    url = postgres.new_database()
    done = postgres.run_psql(url, (GOLDEN / "postgres-2.sql").read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stderr
    postgres.execute(url, *{2: (), 1: VERSION_1, 0: ADOPTED}[version])
    return url


# MARK: files


@pytest.mark.parametrize("layout", old_layout.LAYOUTS)
def test_a_file_is_sound_and_what_was_set_is_set(start_server, tmp_path, layout):
    old_layout.make(tmp_path / "milepost.db", layout)
    server = start_server(store_url("sqlite", tmp_path))
    none = {"ttl": None, "pin": [], "hold": False}
    for thread, expected in SETTINGS.items():
        assert settings(server.port, thread) == (expected if layout >= 4 else none)
    server.stop()
    assert_sound(server.store)


@pytest.mark.parametrize("layout", old_layout.LAYOUTS)
def test_what_is_old_is_changed(start_server, tmp_path, layout):
    """Rows of an older layout are copied, put again, cut from a parent and pruned, and stay readable."""
    old_layout.make(tmp_path / "milepost.db", layout)
    server = start_server(store_url("sqlite", tmp_path))

    def ask(call, **body):
        answer = wire.post(server.port, f"/checkpoints/{call}", json.dumps(body).encode())
        assert answer.status in (200, 204), answer
        return answer.json() if answer.status == 200 else None

    def everything(thread):
        rows = ask("list", thread_id=thread, include=["blobs", "pending_writes"], limit=1000)
        return [{name: value for name, value in row.items() if name != "thread_id"} for row in rows]

    for thread in OLD_THREADS:
        ask("copy-thread", source_thread_id=thread, target_thread_id=f"copy of {thread}")
        kept = everything(f"copy of {thread}")
        assert kept == everything(thread) and len(kept) > 1
        newest = next(row for row in kept if row["parent_checkpoint_id"])
        again = {
            name: newest[name] for name in ("checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "checkpoint")
        }
        ask("put", thread_id=thread, **again | {"parent_checkpoint_id": "another"}, metadata={"again": 1}, blobs=[])
        newest["metadata"] = {"again": 1}
        assert everything(thread) == kept
        ask("prune", thread_ids=[thread, f"copy of {thread}"], keep_last=1, strategy="keep_latest")
        left = everything(thread)
        ids = {row["checkpoint_id"] for row in left} | {None}
        assert 0 < len(left) < len(kept) and all(row["parent_checkpoint_id"] in ids for row in left)
    server.stop()
    assert_sound(server.store)


@pytest.mark.parametrize("layout", old_layout.LAYOUTS)
def test_a_backup_is_restored(start_server, tmp_path, layout):
    """A backup is a file of its layout."""
    old_layout.make(tmp_path / "backup.db", layout)
    store = store_url("sqlite", tmp_path)
    ended = milepost("restore", "--store", store, tmp_path / "backup.db", "--without-checksum")
    assert ended.returncode == 0, ended.stderr
    check_answers(start_server(store).port)


def test_an_encrypted_file(start_server, tmp_path):
    """With its keys it answers as the same threads in clear; without them it is refused."""
    with closing(sqlite3.connect(tmp_path / "milepost.db")) as db:
        db.executescript((GOLDEN / "layout-4-encrypted.sql").read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
    keys = tmp_path / "keys.json"
    keys.touch(mode=0o600)
    keys.write_text(json.dumps(KEYS), encoding="utf-8")
    store = store_url("sqlite", tmp_path)
    assert_refused(serve(store), FAILED, "encryption-keys-file")
    server = start_server(store, "--encryption-keys-file", str(keys))
    check_moved_answers(server.port, ENCRYPTED)
    assert settings(server.port, "edited")["hold"]
    server.stop()
    assert_sound(store, "--encryption-keys-file", str(keys))


def test_two_servers_start_at_once_on_an_old_file(tmp_path):
    """One has it, the other is refused, and everything is there."""
    old_layout.make(tmp_path / "milepost.db", 2)
    old_layout.multiply(tmp_path / "milepost.db", 1, 50)
    servers = [Server(store_url("sqlite", tmp_path), tmp_path) for _ in range(2)]
    try:
        for server in servers:
            server.launch()
        wait_until(lambda: any(not server.is_running for server in servers), READY_LIMIT, "one is refused")
        (loser,) = [server for server in servers if not server.is_running]
        (winner,) = [server for server in servers if server is not loser]
        assert loser.process.returncode == FAILED and "another" in loser.log_text(), loser.log_text()
        wait_until(winner.is_ready, READY_LIMIT, "the other is ready")
        check_answers(winner.port)
    finally:
        for server in servers:
            if server.is_running:
                server.stop()
    assert_sound(servers[0].store)


# MARK: exports


@pytest.mark.parametrize("kind", [kind for kind in STORES if kind != "memory"])
def test_an_export_is_imported(start_server, tmp_path, kind):
    store = store_url(kind, tmp_path)
    ended = milepost("import", "--store", store, "--input", GOLDEN / "export-1.jsonl.zst")
    assert ended.returncode == 0 and "imported 60 threads" in ended.stdout, ended.stdout + ended.stderr
    check_moved_answers(start_server(store).port)


# MARK: tables


@pytest.mark.parametrize("version", [1, 2])
def test_tables_answer_as_before(start_server, version):
    url = tables(version)
    server = start_server(url)
    check_moved_answers(server.port)
    if version == 2:
        assert {thread: settings(server.port, thread) for thread in SETTINGS} == SETTINGS
    server.stop()
    assert_sound(url)


def test_servers_start_at_once_on_old_tables(tmp_path):
    """All are ready in the end, whoever changed the tables."""
    url = tables(1)
    servers = [Server(url, tmp_path) for _ in range(SERVERS)]
    try:
        for server in servers:
            server.launch()
        wait_until(lambda: all([server.is_ready() for server in servers]), READY_LIMIT, "all of them are ready")
        check_moved_answers(servers[0].port)
    finally:
        for server in servers:
            if server.is_running:
                server.stop()


@pytest.mark.parametrize("version", [0, 1])
def test_sigkill_while_tables_are_changed(start_server, seed, version):
    """Whenever it is killed, it goes on from there: the tables are those that one undisturbed run makes."""
    moments = random.Random(seed)
    expected = tables(version)
    began = time.monotonic()
    assert milepost("migrate", "--store", expected).returncode == 0
    took = time.monotonic() - began
    rows, hits, url = postgres.rows(expected), 0, None
    old = postgres.database_of(tables(version))
    for number in range(KILLS):
        url = postgres.new_database(options=f"TEMPLATE {old}") if url is None else url
        hits += killed_while_migrating(url, (number + moments.random()) / KILLS * took)
        assert postgres.rows(url) == rows
        if number % 2:
            # Twice in a row on the same tables, then to the end.
            assert milepost("migrate", "--store", url).returncode == 0
            assert postgres.schema(url) == postgres.schema(expected)
            assert_sound(url)
            done, url = url, None
    print(f"version {version}: {hits} of {KILLS} kills before its end ({took:.2f} s), 0 rows lost")
    assert hits >= KILLS // 4, "too few kills hit the middle: nothing is proved"
    server = start_server(done)
    if version:
        check_moved_answers(server.port)


def killed_while_migrating(url, moment):
    """Kills `milepost migrate` after so many seconds; whether it had not ended by then."""
    process = subprocess.Popen(
        [str(binary_path()), "migrate", "--store", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    time.sleep(moment)  # Not to wait for something: the moment of the crash.
    is_running = process.poll() is None
    process.kill()
    process.wait()
    return is_running


# MARK: the checks themselves


def test_the_checks_see_a_lost_row(start_server, tmp_path):
    """One write less in a file, and one blob less in tables."""
    old_layout.make(tmp_path / "milepost.db", 4)
    with closing(sqlite3.connect(tmp_path / "milepost.db")) as db:
        db.execute("DELETE FROM checkpoints WHERE checkpoint = (SELECT max(checkpoint) FROM checkpoints)")
        db.commit()
    with pytest.raises(AssertionError):
        check_answers(start_server(store_url("sqlite", tmp_path)).port)
    url = tables(1)
    postgres.execute(url, "DELETE FROM checkpoint_blobs WHERE thread_id = 'edited'")
    with pytest.raises(AssertionError):
        check_moved_answers(start_server(url).port)


def test_the_newest_format_is_kept():
    """Whoever makes another one keeps a store of it here, beside these."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript((GOLDEN / f"layout-{max(old_layout.LAYOUTS)}.sql").read_text(encoding="utf-8"))
        kept = [name for (name,) in db.execute("SELECT identifier FROM grdb_migrations ORDER BY 1")]
    sources = REPOSITORY / "Sources"
    schema = (sources / "SQLiteStorage/SQLiteSchema.swift").read_text(encoding="utf-8")
    assert kept == [line.split('"')[1] for line in schema.splitlines() if "registerMigration(" in line]
    assert "static let version = 2\n" in (sources / "PostgresStorage/PostgresSchema.swift").read_text(encoding="utf-8")
    assert recorded.load_cases(GOLDEN / "layout-2-answers.jsonl") == old_layout.CASES
