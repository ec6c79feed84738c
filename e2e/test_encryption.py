"""Encryption at rest: nothing readable in the store, no row in another's place, no plaintext once it is on."""

import base64
import json
import os
import re
import secrets
import sqlite3

import pytest

import postgres
from conftest import store_url
from security import (
    Caller,
    KeysFile,
    assert_status,
    b64,
    bearer,
    checkpoint,
    exported,
    fill,
    seen,
    write_private,
)
from test_startup import milepost, serve

KINDS = ("sqlite", "postgres")


def new_key(identifier):
    return {"id": identifier, "key": b64(secrets.token_bytes(32))}


class EncryptionKeys:
    """A file of encryption keys; the first is the one that new values are encrypted with."""

    def __init__(self, path, *identifiers):
        self.path = path
        self.keys = [new_key(identifier) for identifier in identifiers]
        self.write()

    def write(self):
        write_private(self.path, json.dumps({"keys": self.keys}))

    @property
    def options(self):
        return ("--encryption-keys-file", str(self.path))


@pytest.fixture(params=KINDS)
def store(request, tmp_path):
    return store_url(request.param, tmp_path)


@pytest.fixture
def encryption(tmp_path):
    return EncryptionKeys(tmp_path / "encryption.json", "2026-11")


def content_of(store):
    """All bytes of a store: the files of SQLite, or every column of every row of PostgreSQL, in each form they may have."""
    if store.startswith("sqlite:"):
        path = store.removeprefix("sqlite:")
        return b"".join(open(name, "rb").read() for name in (path, f"{path}-wal") if os.path.exists(name))
    tables = postgres.query(
        store, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    found = []
    for (table,) in tables:
        for (row,) in postgres.query(store, f'SELECT row_to_json(t)::text FROM "{table}" t'):
            found.append(row.encode())
            for value in json.loads(row).values():
                if isinstance(value, str) and value.startswith("\\x"):
                    found.append(bytes.fromhex(value[2:]))
    return b"\n".join(found)


def secret_thread(caller, thread, document, content):
    """A thread whose document, blobs and writes have secrets that cannot be compressed."""
    blob = {"channel": "c", "version": "1", "type": "bytes", "blob": b64(content.encode())}
    caller.do("put", {
        "thread_id": thread, "checkpoint_id": "c1", "metadata": {"visible": "metadata-stays-searchable"},
        "checkpoint": {"id": "c1", "channel_versions": {"c": "1"}, "channel_values": {"s": document}}, "blobs": [blob],
    })
    write = {"task_id": "t", "idx": 0, "channel": "c", "type": "bytes", "blob": b64(content[::-1].encode())}
    caller.do("put-writes", {"thread_id": thread, "checkpoint_id": "c1", "writes": [write]})


def test_nothing_readable_is_stored(start_server, store, encryption):
    document, content = secrets.token_hex(40), secrets.token_hex(40)
    server = start_server(store, *encryption.options, "--log-level", "trace")
    with Caller(server) as caller:
        secret_thread(caller, "t", document, content)
        fill(caller, "u", secrets.token_hex(20))
        before = seen(caller, "t"), seen(caller, "u")
        [item] = caller.do("list", {"across_threads": True, "filter_metadata": {"visible": "metadata-stays-searchable"}})
        assert item["checkpoint"]["channel_values"] == {"s": document}
    server.stop()
    stored = content_of(store)
    key = encryption.keys[0]["key"]
    for secret in (document, content, content[::-1], key):
        for form in (secret.encode(), base64.b64encode(secret.encode()), secret.encode().hex().encode()):
            assert form not in stored
    assert base64.b64decode(key) not in stored
    assert key not in server.log_text() and base64.b64decode(key).hex() not in server.log_text()
    again = start_server(store, *encryption.options)
    with Caller(again) as caller:
        assert (seen(caller, "t"), seen(caller, "u")) == before


def test_without_the_key_nothing_is_read(start_server, store, encryption, tmp_path):
    """Neither with no key nor with another; and nothing is overwritten meanwhile."""
    server = start_server(store, *encryption.options)
    with Caller(server) as caller:
        fill(caller, "t", "of-the-owner")
        before = seen(caller, "t")
    server.stop()
    other = EncryptionKeys(tmp_path / "other.json", "2026-11")
    unknown = EncryptionKeys(tmp_path / "unknown.json", "2027-01")
    for options in ((), other.options, unknown.options):
        ended = start_or_refuse(start_server, store, options)
        if isinstance(ended, str):
            continue
        with Caller(ended) as caller:
            answer = caller.call("get-tuple", {"thread_id": "t"})
            assert answer.status_code >= 500 and b"of-the-owner" not in answer.content, (options, answer.text)
        ended.stop()
    again = start_server(store, *encryption.options)
    with Caller(again) as caller:
        assert seen(caller, "t") == before


def start_or_refuse(start_server, store, options):
    """The server, or what it said instead of starting."""
    try:
        return start_server(store, *options)
    except AssertionError as refused:
        assert "ended with" in str(refused)
        return str(refused)


def test_plaintext_is_refused_once_it_is_on(start_server, store, encryption):
    """A row that somebody put there in the clear, as whoever can write to the database might, is not believed."""
    plain = start_server(store)
    with Caller(plain) as caller:
        fill(caller, "t", "in-the-clear")
    plain.stop()
    server = start_or_refuse(start_server, store, encryption.options)
    if isinstance(server, str):
        assert "rekey" in server
        return
    with Caller(server) as caller:
        answer = caller.call("get-tuple", {"thread_id": "t"})
        assert answer.status_code >= 500 and b"in-the-clear" not in answer.content


def test_rekey_encrypts_what_was_there(start_server, store, encryption):
    plain, document = start_server(store), secrets.token_hex(40)
    with Caller(plain) as caller:
        secret_thread(caller, "t", document, document[::-1])
        before = seen(caller, "t")[2]
    plain.stop()
    ended = milepost("rekey", "--store", store, *encryption.options)
    assert ended.returncode == 0, ended.stderr
    server = start_server(store, *encryption.options)
    with Caller(server) as caller:
        assert seen(caller, "t")[2] == before
    server.stop()
    assert document.encode() not in content_of(store) or store.startswith("sqlite:")
    assert milepost("verify", "--store", store, *encryption.options).returncode == 0


def test_a_key_is_rotated(start_server, store, encryption):
    """Old rows are read with the old key, new ones written with the new; after rekey the old one may go."""
    server = start_server(store, *encryption.options)
    with Caller(server) as caller:
        fill(caller, "old")
        before = seen(caller, "old")[2]
    server.stop()
    encryption.keys.insert(0, new_key("2026-12"))
    encryption.write()
    server = start_server(store, *encryption.options)
    with Caller(server) as caller:
        assert seen(caller, "old")[2] == before
        fill(caller, "new")
        after = seen(caller, "new")[2]
    server.stop()
    ended = milepost("rekey", "--store", store, *encryption.options)
    assert ended.returncode == 0, ended.stderr
    del encryption.keys[1:]
    encryption.write()
    server = start_server(store, *encryption.options)
    with Caller(server) as caller:
        assert (seen(caller, "old")[2], seen(caller, "new")[2]) == (before, after)


SWAPS = {
    "documents": ("checkpoints", "checkpoint"),
    "blobs": ("checkpoint_blobs", "blob"),
    "writes": ("checkpoint_writes", "blob"),
}


@pytest.mark.parametrize("what", SWAPS)
def test_a_row_is_not_taken_from_another_place(start_server, postgres_store, encryption, what):
    """Whoever can write to the database moves one thread's bytes into another's row: they do not decrypt there."""
    server = start_server(postgres_store, *encryption.options)
    table, column = SWAPS[what]
    with Caller(server) as caller:
        for thread in ("mine", "yours"):
            fill(caller, thread, f"content of {thread}")
        more = {"checkpoints": ", milepost_checkpoint = s.milepost_checkpoint"}.get(table, "")
        same = " AND ".join(
            f"d.{name} = s.{name}"
            for name in {
                "checkpoints": ("checkpoint_ns", "checkpoint_id"),
                "checkpoint_blobs": ("checkpoint_ns", "channel", "version"),
                "checkpoint_writes": ("checkpoint_ns", "checkpoint_id", "task_id", "idx"),
            }[table]
        )
        postgres.execute(
            postgres_store,
            f"UPDATE {table} d SET {column} = s.{column}{more} FROM {table} s"
            f" WHERE d.thread_id = 'mine' AND s.thread_id = 'yours' AND {same}",
        )
        answer = caller.call("get-tuple", {"thread_id": "mine"})
        assert answer.status_code >= 500 and b"yours" not in answer.content, answer.text[:300]
        assert caller.do("get-tuple", {"thread_id": "yours"})["checkpoint_id"] == "c3"


def test_two_tenants_rows_are_not_exchanged(start_server, sqlite_store, encryption, tmp_path):
    """SQLite's blobs of one tenant, put under the thread of another: they are not read."""
    keys = KeysFile(tmp_path / "keys.json")
    first, second = keys.create("acme"), keys.create("other")
    server = start_server(sqlite_store, *encryption.options, "--api-keys-file", str(keys.path))
    with Caller(server, bearer(first)) as acme, Caller(server, bearer(second)) as other:
        fill(acme, "t", "content-of-acme")
        fill(other, "t", "content-of-other")
    server.stop()
    database = sqlite3.connect(sqlite_store.removeprefix("sqlite:"))
    database.executescript(
        "UPDATE threads SET thread = thread + 1000;"
        "UPDATE threads SET thread = (SELECT sum(thread) - 1000 FROM threads) - thread WHERE tenant = 'acme';"
        "UPDATE threads SET thread = 3 - (SELECT thread FROM threads WHERE tenant = 'acme') WHERE tenant = 'other';"
    )
    assert sorted(row[0] for row in database.execute("SELECT thread FROM threads")) == [1, 2]
    database.commit()
    database.close()
    server = start_server(sqlite_store, *encryption.options, "--api-keys-file", str(keys.path))
    with Caller(server, bearer(first)) as acme:
        answer = acme.call("get-tuple", {"thread_id": "t"})
        assert answer.status_code >= 500 and b64(b"content-of-other").encode() not in answer.content


def test_an_export_of_an_encrypted_store(start_server, store, encryption, tmp_path):
    """With the key it is whole; without it there is none."""
    server = start_server(store, *encryption.options)
    with Caller(server) as caller:
        fill(caller, "t", "content")
    server.stop()
    assert b64(b"content c3") in "".join(exported(store, tmp_path, *encryption.options)["", "t"])
    ended = milepost("export", "--store", store, "--output", tmp_path / "none.zst")
    assert ended.returncode != 0 and "encrypt" in ended.stderr


BAD_FILES = {
    "missing": None,
    "empty": "",
    "no JSON": "{",
    "no keys": '{"keys":[]}',
    "short key": json.dumps({"keys": [{"id": "a", "key": b64(bytes(16))}]}),
    "no base64": '{"keys":[{"id":"a","key":"!"}]}',
    "no id": json.dumps({"keys": [{"key": b64(bytes(range(32)))}]}),
    "two of one id": json.dumps({"keys": [new_key("a"), new_key("a")]}),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_set_of_keys_does_not_start(tmp_path, name):
    path, text = tmp_path / "encryption.json", BAD_FILES[name]
    if text is not None:
        write_private(path, text)
    ended = serve("memory:", "--encryption-keys-file", path)
    assert ended.returncode in (1, 64) and str(path) in ended.stderr
    assert not text or not any(key in ended.stderr for key in re.findall(r'"key": "([^"]{10,})"', text))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_read_does_not_start(tmp_path, encryption, mode):
    encryption.path.chmod(mode)
    ended = serve("memory:", *encryption.options)
    assert ended.returncode in (1, 64) and str(encryption.path) in ended.stderr
    assert encryption.keys[0]["key"] not in ended.stderr


def test_a_memory_store_goes_on(start_server, encryption):
    """There is nothing at rest; the option is refused, or changes nothing."""
    server = start_or_refuse(start_server, "memory:", encryption.options)
    if not isinstance(server, str):
        with Caller(server) as caller:
            caller.do("put", checkpoint("t"))
            assert_status(caller.get("/readyz"), 200)
