"""The audit log: what is in it, what is never in it, and what does not happen when it cannot be written."""

import json
import os
import re
import subprocess

import pytest

from conftest import store_url
from provider import Provider
from security import (
    Caller,
    KeysFile,
    assert_status,
    b64,
    bearer,
    checkpoint,
    fill,
    new_thread,
    seen,
)
from server import wait_until
from test_startup import milepost

KINDS = ("sqlite", "postgres")
KEYS = {"time", "event", "outcome", "source", "principal", "tenant", "request_id", "reason", "threads", "thread_count"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Audited:
    """A server with keys and an audit log."""

    def __init__(self, start_server, store, directory, *options):
        self.path = directory / "audit.jsonl"
        self.keys = KeysFile(directory / "keys.json")
        self.key, self.reader = self.keys.create("acme", note="all"), self.keys.create("acme", scopes="read")
        self.inspector = self.keys.create("acme", scopes="read,inspect")
        self.server = start_server(
            store, "--api-keys-file", str(self.keys.path), "--audit-log", str(self.path), *options
        )

    def records(self, event=None):
        found = [json.loads(line) for line in self.path.read_text().splitlines()]
        assert all(record.keys() <= KEYS and TIME.fullmatch(record["time"]) for record in found), found
        return [record for record in found if event in (None, record["event"])]


@pytest.fixture(params=KINDS)
def audited(request, start_server, tmp_path):
    return Audited(start_server, store_url(request.param, tmp_path), tmp_path)


CHANGES = {
    "delete-thread": lambda thread: {"thread_id": thread},
    "delete-for-runs": lambda thread: {"run_ids": [f"run-{thread}"]},
    "prune": lambda thread: {"thread_ids": [thread, "other"]},
    "copy-thread": lambda thread: {"source_thread_id": thread, "target_thread_id": f"{thread}-copy"},
}
NAMED = {"delete-thread": 1, "prune": 2, "copy-thread": 2}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_announced_and_closed(audited, name):
    thread = new_thread()
    with Caller(audited.server, bearer(audited.key)) as caller:
        fill(caller, thread)
        assert audited.records() == []
        answer = assert_status(caller.call(name, CHANGES[name](thread)), 200, 204)
    begun, done = audited.records()
    assert [(record["event"], record["outcome"]) for record in (begun, done)] == [(name, "begun"), (name, "done")]
    for record in (begun, done):
        assert record["tenant"] == "acme" and record["principal"].startswith("key:")
        assert record["source"] == "127.0.0.1" and record["request_id"] == answer.headers["x-request-id"]
        assert record.get("thread_count", 0) == NAMED.get(name, 0)
        assert (thread in record.get("threads", [])) == (name in NAMED)
    assert audited.key not in audited.path.read_text()


@pytest.mark.parametrize("name", ["checkpoint", "difference"])
def test_a_look_at_content_is_written_down(audited, name):
    with Caller(audited.server, bearer(audited.key)) as caller:
        fill(caller, "t")
    with Caller(audited.server, bearer(audited.inspector)) as caller:
        answer = caller.client.post(f"/inspector/{name}", json={"thread_id": "t"})
        assert assert_status(answer, 200).json()["has_content"]
        caller.client.post("/inspector/history", json={"thread_id": "t"})
        caller.client.post("/inspector/sizes", json={"thread_id": "t"})
    found = audited.records()
    assert [(record["event"], record["outcome"]) for record in found] == [("inspect", "begun"), ("inspect", "done")]
    assert all(record["threads"] == ["t"] for record in found)


def test_what_changes_nothing_is_not_audited(audited):
    with Caller(audited.server, bearer(audited.key)) as caller:
        fill(caller, "t")
        caller.do("prune", {"thread_ids": ["t"], "dry_run": True})
        caller.do("list", {"across_threads": True})
        caller.call("delete-thread", {"thread_id": 7})
    assert audited.records() == []


def test_a_change_that_is_refused_has_failed(audited):
    with Caller(audited.server, bearer(audited.key)) as caller:
        fill(caller, "a")
        caller.do("put", checkpoint("b", "c9"))
        assert_status(caller.call("copy-thread", CHANGES["copy-thread"]("a") | {"target_thread_id": "b"}), 409)
    assert [record["outcome"] for record in audited.records("copy-thread")] == ["begun", "failed"]


def test_a_long_list_of_threads_is_cut(audited):
    with Caller(audited.server, bearer(audited.key)) as caller:
        caller.do("prune", {"thread_ids": [f"t{number}" for number in range(1000)]})
    for record in audited.records("prune"):
        assert record["thread_count"] == 1000 and len(record["threads"]) == 100


def test_failures_are_written_down(audited):
    wrong = "mlp_" + "w" * 50
    for headers in ({}, bearer(wrong), {"x-api-key": wrong}):
        with Caller(audited.server, headers) as caller:
            answer = assert_status(caller.call("get-tuple", {"thread_id": "secret-thread"}), 401)
            record = audited.records("authentication")[-1]
            assert record["outcome"] == "failed" and record["request_id"] == answer.headers["x-request-id"]
            assert record["source"] == "127.0.0.1" and record["reason"] and "principal" not in record
    assert wrong not in audited.path.read_text() and "secret-thread" not in audited.path.read_text()


def test_denials_are_written_down(audited):
    with Caller(audited.server, bearer(audited.reader)) as caller:
        answer = assert_status(caller.call("delete-thread", {"thread_id": "t"}), 403)
    [record] = audited.records("access")
    assert record["outcome"] == "denied" and record["tenant"] == "acme" and "delete" in record["reason"]
    assert record["request_id"] == answer.headers["x-request-id"] and record["principal"].startswith("key:")
    assert audited.records("delete-thread") == []


def test_a_flood_of_failures_fills_no_disk(audited):
    """Whoever guesses is throttled, and so are the records of it."""
    with Caller(audited.server, {"x-api-key": "mlp_wrong"}) as caller:
        for _ in range(500):
            caller.call("get-tuple", {"thread_id": "t"})
    assert len(audited.records("authentication")) < 100


def test_what_was_sent_is_not_in_it(audited):
    """Neither content nor headers; ids cannot begin a line of their own."""
    evil = 'x"}\n{"event":"delete-thread","outcome":"done","time":"2026-01-01T00:00:00.000Z","source":"forged"}\n'
    with Caller(audited.server, {**bearer(audited.key), "user-agent": evil.replace("\n", "") + "agent"}) as caller:
        blob = {"channel": "c", "version": "1", "type": "bytes", "blob": b64(b"content")}
        caller.do("put", checkpoint(evil, metadata={"secret": "metadata"}, blobs=[blob]))
        caller.do("delete-thread", {"thread_id": evil})
        caller.do("delete-for-runs", {"run_ids": [evil]})
    records = audited.records()
    assert len(records) == 4 and all(record["source"] == "127.0.0.1" for record in records)
    assert records[0]["threads"] == [evil]
    text = audited.path.read_text()
    assert len(text.splitlines()) == 4 and "content" not in text and "metadata" not in text and "agent" not in text


def test_behind_a_proxy_the_client_is_named(start_server, tmp_path):
    audited = Audited(start_server, "memory:", tmp_path, "--behind-tls-proxy")
    forged = '10.1.1.1, 192.0.2.7"}{'
    with Caller(audited.server, {**bearer(audited.key), "x-forwarded-for": forged}) as caller:
        caller.do("delete-thread", {"thread_id": "t"})
    assert {record["source"] for record in audited.records()} <= {'192.0.2.7"}{', "127.0.0.1"}


def test_denials_of_the_provider_are_written_down(start_server, tmp_path):
    path = tmp_path / "audit.jsonl"
    with Provider({"Bearer ada": {"secret_principal": "ada"}}, lambda *_: 403) as provider:
        server = start_server("memory:", "--agentex-auth-url", provider.url, "--audit-log", str(path))
        with Caller(server, bearer("ada")) as caller:
            assert_status(caller.call("get-tuple", {"thread_id": "t"}), 404)
    [record] = [json.loads(line) for line in path.read_text().splitlines()]
    assert (record["event"], record["outcome"], record["threads"]) == ("access", "denied", ["t"])
    assert "secret_principal" not in path.read_text()


# MARK: commands


def test_changes_of_keys_are_written_down(tmp_path):
    path = tmp_path / "audit.jsonl"
    keys = KeysFile(tmp_path / "keys.json", {"MILEPOST_AUDIT_LOG": str(path)})
    key = keys.create("acme", note="one")
    identifier = keys.id_of("one")
    keys.revoke(identifier)
    option = milepost("keys", "create", "--keys-file", keys.path, "--audit-log", path)
    assert option.returncode == 0
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert {record["event"] for record in records} == {"key-created", "key-revoked"}
    assert {record["source"] for record in records} == {"command line"}
    assert identifier in path.read_text()
    assert key not in path.read_text() and option.stdout.strip() not in path.read_text()


def test_a_key_is_not_made_when_it_cannot_be_written_down(tmp_path):
    keys = KeysFile(tmp_path / "keys.json")
    keys.create(note="first")
    for path in (tmp_path, tmp_path / "missing" / "audit.jsonl"):
        ended = milepost("keys", "create", "--keys-file", keys.path, "--audit-log", path)
        assert ended.returncode != 0 and ended.stdout == ""
    assert [key["note"] for key in keys.list()] == ["first"]


def test_a_revocation_does_not_wait_for_the_log(tmp_path):
    """What shuts somebody out happens, and the exit code says that it is not written down."""
    keys = KeysFile(tmp_path / "keys.json")
    keys.create(note="first")
    ended = milepost("keys", "revoke", keys.id_of("first"), "--keys-file", keys.path, "--audit-log", tmp_path)
    assert ended.returncode != 0 and "audit" in ended.stderr
    assert keys.list()[0]["revoked"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_is_written_down(start_server, tmp_path, kind):
    store, path = store_url(kind, tmp_path), tmp_path / "audit.jsonl"
    start_server(store).stop()
    ended = milepost("export", "--store", store, "--output", tmp_path / "out.zst", "--audit-log", path)
    assert ended.returncode == 0, ended.stderr
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(record["event"], record["source"]) for record in records] == [("export", "command line")] * len(records)
    assert records and records[-1]["outcome"] == "done"
    ended = milepost("export", "--store", store, "--output", tmp_path / "again.zst", "--audit-log", tmp_path)
    assert ended.returncode != 0 and not (tmp_path / "again.zst").exists()


# MARK: a log that cannot be written


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own that can be filled."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def assert_nothing_happens(audited, change):
    """Every change that is audited is answered with 503, and leaves everything as it was; the rest goes on."""
    with Caller(audited.server, bearer(audited.key)) as caller:
        fill(caller, "t")
        before = seen(caller, "t")
        change()
        for name, body in CHANGES.items():
            answer = assert_status(caller.call(name, body("t")), 503)
            assert int(answer.headers["retry-after"]) >= 1 and "audit" in answer.json()["detail"]
        assert seen(caller, "t") == before
        assert caller.do("list", {"thread_id": "t-copy"}) == []
        caller.do("put", checkpoint("u"))
        assert_status(caller.get("/readyz"), 200)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_stops_what_is_audited(start_server, tmp_path, kind, small_disk):
    audited = Audited(start_server, store_url(kind, tmp_path), tmp_path)
    audited.server.stop()
    path = small_disk / "audit.jsonl"
    audited.server = start_server(
        audited.server.store, "--api-keys-file", str(audited.keys.path), "--audit-log", str(path)
    )

    def full():
        with open(small_disk / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass

    assert_nothing_happens(audited, full)
    os.remove(small_disk / "filler")
    with Caller(audited.server, bearer(audited.key)) as caller:
        caller.do("delete-thread", {"thread_id": "t"})
        assert caller.do("get-tuple", {"thread_id": "t"}) is None
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_directory_in_its_place_stops_what_is_audited(audited):
    def replace():
        audited.path.unlink(missing_ok=True)
        audited.path.mkdir()

    assert_nothing_happens(audited, replace)
    audited.path.rmdir()
    with Caller(audited.server, bearer(audited.key)) as caller:
        caller.do("delete-thread", {"thread_id": "t"})
    assert [record["outcome"] for record in audited.records("delete-thread")] == ["begun", "done"]


def test_a_rotated_log_is_begun_anew(audited):
    with Caller(audited.server, bearer(audited.key)) as caller:
        caller.do("delete-thread", {"thread_id": "a"})
        audited.path.rename(audited.path.with_suffix(".1"))
        caller.do("delete-thread", {"thread_id": "b"})
    assert {record["threads"][0] for record in audited.records()} == {"b"}
    wait_until(audited.path.exists, 1, "the new file")
    assert audited.path.stat().st_mode & 0o777 == 0o600
