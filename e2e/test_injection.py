"""Ids and filters that hold another language: stored and compared as they are, in every store."""

import itertools
import json
from urllib.parse import quote

import pytest

import wire
from conftest import STORES, store_url
from security import EVERYTHING, Caller, KeysFile, b64, bearer, checkpoint, new_thread
from server import Server

HOSTILE = [
    "'", '"', "''", "\\", "\\'", "`", "%", "_", "%_%", "*", "?", "$1", ":id", "@p", "--", "/*", "*/", ";", "#", "{}", "[]",
    "' OR '1'='1", "' OR 1=1 --", '" OR ""="', "'; DROP TABLE checkpoints; --", "1); DELETE FROM threads; --",
    "' UNION SELECT tenant, thread_id FROM threads --", "\\' OR 1=1 -- ", "x' || pg_sleep(9) || '", "$$; SELECT 1; $$",
    "$.a", "$.*", "$.**", "a.b", "a->b", "a->>'b'", "$[*] ? (@ > 0)", "{a,b}", "'$.x' || '", '$."x"', "@>", "jsonb '{}'",
    "../../etc/passwd", "..", "/", "//", "%00", "%2e%2e%2f", "%27", "\t", "\n", "\r\n", "\x01", "\x1b[31m", "\x7f", "\u2028",
    "😀", "\U0010ffff", "é", "e\u0301", "ﬀ", "İ", "\u200b", "\u202e", "ß", "SS", "\ufeff", " ", "  ", "true", "null", "0", "1e3",
    "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}", "$(id)", "__proto__", "a" * 2000,
]
# What an identifier cannot be is refused, and nothing more.
REFUSED = ["\0", "a\0b", "' \0 OR 1=1"]


@pytest.fixture(scope="module", params=STORES)
def caller(request, tmp_path_factory):
    """Somebody with a key to a server on each store, in which somebody else has a thread, too."""
    directory = tmp_path_factory.mktemp(f"injection-{request.param}")
    keys = KeysFile(directory / "keys.json")
    key, other = keys.create("acme"), keys.create("victim")
    running = Server(store_url(request.param, directory), directory, "--api-keys-file", str(keys.path)).start()
    with Caller(running, bearer(other)) as victim, Caller(running, bearer(key)) as attacker:
        victim.do("put", checkpoint("victim", metadata={"secret": "of the victim", "run_id": "victim"}))
        attacker.victim, attacker.server = victim, running
        yield attacker
        assert len(victim.do("list", {"across_threads": True})) == 1
    running.stop()


def full(thread, namespace, name, text):
    """A put with that text wherever a text can be."""
    blob = {"channel": text, "version": text, "type": text[:100], "blob": b64(b"x")}
    return {
        "thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": name, "parent_checkpoint_id": text,
        "checkpoint": {"id": name, "channel_versions": {text: text}, text: text}, "metadata": {text: text, "run_id": text},
        "blobs": [blob] if len(text) < 1000 else [],
    }


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{number}" for number in range(len(HOSTILE))])
def test_a_text_is_a_text_in_every_place(caller, text):
    """Put, read, listed, filtered, copied, pruned and deleted, alone among threads with other texts."""
    thread = text if len(text) < 700 else text[:700]
    place = {"thread_id": thread, "checkpoint_ns": thread[:300], "checkpoint_id": thread[:300]}
    body = full(*place.values(), text)
    caller.do("put", checkpoint("bystander", metadata={"run_id": "bystander"}))
    caller.do("put", body)
    write = {"task_id": thread[:300], "idx": 0, "channel": text, "type": text, "blob": b64(b"x"), "task_path": text}
    caller.do("put-writes", {**place, "writes": [write]})
    found = caller.do("get-tuple", {**place, "include": EVERYTHING})
    assert {name: found[name] for name in place} == place
    assert found["metadata"] == {text: text, "run_id": text} and found["parent_checkpoint_id"] == text
    [stored] = found["pending_writes"]
    assert (stored["channel"], stored["task_id"]) == (text, thread[:300])
    for wanted in ({text: text}, {"run_id": text}):
        items = caller.do("list", {"across_threads": True, "filter_metadata": wanted})
        assert [item["thread_id"] for item in items] == [thread], wanted
    assert len(caller.do("list", {"thread_id": thread})) == 1
    if thread not in (".", ".."):  # httpx takes these away from a path.
        answer = caller.client.get(f"/threads/{quote(thread, safe='')}")
        assert (answer.status_code, answer.json()["thread_id"]) == (200, thread)
    copy = new_thread("copy")
    caller.do("copy-thread", {"source_thread_id": thread, "target_thread_id": copy})
    assert len(caller.do("list", {"thread_id": copy})) == 1
    caller.do("delete-for-runs", {"run_ids": [text]})
    assert caller.do("list", {"thread_id": copy}) == []
    caller.do("put", body)
    caller.do("prune", {"thread_ids": [thread]})
    caller.do("delta-channel-history", {"thread_id": thread, "channels": [text]})
    caller.do("delete-thread", {"thread_id": thread})
    assert len(caller.do("list", {"thread_id": "bystander"})) == 1
    assert caller.do("list", {"thread_id": thread}) == []
    caller.do("delete-thread", {"thread_id": copy})


def test_a_pattern_matches_itself_alone(caller):
    """No text reads another's rows: every one of them at once, and each asked for by itself."""
    texts = [text for text in HOSTILE if len(text) < 100]
    for text in texts:
        caller.do("put", checkpoint(f"many {text}", metadata={"key": text, f"k{text}": 1}))
    for text in texts:
        assert [item["metadata"]["key"] for item in caller.do("list", {"thread_id": f"many {text}"})] == [text]
        for wanted in ({"key": text}, {f"k{text}": 1}):
            items = caller.do("list", {"across_threads": True, "filter_metadata": wanted})
            assert [item["thread_id"] for item in items] == [f"many {text}"], wanted
    for text in texts:
        caller.do("delete-thread", {"thread_id": f"many {text}"})


FILTERS = [
    {"$ne": None}, {"$gt": ""}, {"$where": "1"}, {"$or": [{}, {}]}, {"": ""}, {"": {}}, {"run_id": {"$ne": 1}},
    {"run_id": ["a"]}, {"run_id": {}}, {"a": {"b": {"c": []}}}, {"run_id": None}, {"run_id": True},
    {"x": 1e300}, {"x": -0.0}, {"x": 10**400}, {"x": "\ud800"}, {"\ud800": 1}, {"x": "\0"}, {"\0": 1}, {"a\0b": {"\0": "\0"}},
]


@pytest.mark.parametrize("number", range(len(FILTERS)))
def test_a_filter_is_no_query(caller, number):
    """Compared as JSON or refused with 422: no row too many, and no 5xx."""
    caller.do("put", checkpoint("bystander", metadata={"run_id": "bystander", "x": 1}))
    for body in ({"across_threads": True}, {"thread_id": "bystander"}):
        answer = caller.client.post(
            "/checkpoints/list",
            content=json.dumps({**body, "filter_metadata": FILTERS[number]}),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 422 or (answer.status_code, answer.json()) == (200, []), answer.text


def identifier_requests(text):
    """Each place of an identifier, one after the other."""
    write = {"task_id": "t", "idx": 0, "channel": "c", "blob": b64(b"x")}
    blob = {"channel": "c", "version": "1", "type": "t", "blob": b64(b"x")}
    for name in ("thread_id", "checkpoint_ns", "checkpoint_id"):
        yield "put", {**checkpoint("t"), name: text}
        yield "get-tuple", {"thread_id": "t", name: text}
        yield "list", {"thread_id": "t", name: text}
    yield "put", checkpoint("t", parent_checkpoint_id=text)
    yield "put", checkpoint("t", expected_head=text)
    for name in ("channel", "version"):
        yield "put", checkpoint("t", blobs=[{**blob, name: text}])
    for name in ("task_id", "channel"):
        yield "put-writes", {"thread_id": "t", "checkpoint_id": "c", "writes": [{**write, name: text}]}
    yield "list", {"thread_id": "t", "before_checkpoint_id": text}
    yield "list", {"across_threads": True, "after": text}
    yield "delete-thread", {"thread_id": text}
    yield "delete-for-runs", {"run_ids": [text]}
    yield "prune", {"thread_ids": [text]}
    yield "copy-thread", {"source_thread_id": text, "target_thread_id": "t"}
    yield "copy-thread", {"source_thread_id": "t", "target_thread_id": text}
    yield "delta-channel-history", {"thread_id": "t", "channels": [text]}


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_nul_is_refused_everywhere(caller, text):
    for name, body in identifier_requests(text):
        answer = caller.call(name, body)
        assert answer.status_code == 422, f"{name} {body}: {answer.status_code} {answer.text[:200]}"
    assert caller.client.get(f"/threads/{quote(text, safe='')}").status_code == 404


def test_a_lone_surrogate_is_refused_everywhere(caller):
    for name, body in identifier_requests("\ud800"):
        answer = caller.client.post(
            f"/checkpoints/{name}", content=json.dumps(body), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422, f"{name}: {answer.status_code}"


CURSORS = [
    "", "x", "W10", "WyJhIl0", "WyJhIiwiYiIsImMiLCJkIl0", "bnVsbA", "' OR 1=1 --", "W10=", "AAAA", "WzEsMiwzXQ",
    "WyJcdTAwMDAiLCJhIiwiYiJd", "W251bGwsbnVsbCxudWxsXQ", "W1tdLFtdLFtdXQ", "😀", "a" * 30_000,
]


@pytest.mark.parametrize("cursor", CURSORS, ids=lambda text: repr(text[:20]))
def test_a_cursor_is_a_place_and_no_query(caller, cursor):
    """Invented ones are refused; none shows what is not the caller's."""
    for answer in (
        caller.call("list", {"across_threads": True, "after": cursor}),
        caller.call("list", {"thread_id": "victim", "after": cursor}),
        caller.client.get("/threads", params={"after": cursor}),
    ):
        assert answer.status_code in (200, 422, 431), answer.text[:200]
        assert "victim" not in answer.text or answer.status_code == 422 or "victim" in cursor


def test_injection_takes_no_time(caller):
    """What would sleep in a database does not."""
    for text in ("' || pg_sleep(10) || '", "1; SELECT pg_sleep(10)", "' AND randomblob(1000000000) --"):
        for name, body in itertools.islice(identifier_requests(text), 40):
            answer = caller.client.post(f"/checkpoints/{name}", json=body, timeout=5)
            assert answer.status_code < 500
    assert wire.post(caller.server.port, "/healthz", {}).status == 405
    for item in caller.do("list", {"across_threads": True}):
        caller.do("delete-thread", {"thread_id": item["thread_id"]})
