"""The server does what it was asked, the answer is lost, the client sends the same again: one effect, no refusal."""

import pytest

import load
import mixed
from tap import Tap, lose

pytestmark = pytest.mark.breaking

A_CHECKPOINT = {"checkpoint": {"v": 4, "by": "first", "channel_versions": {"a": "1"}}, "metadata": {"by": "first"}}
A_BLOB = {"channel": "a", "version": "1", "type": "bytes", "blob": "YQ=="}


@pytest.fixture
def thread(server, thread_id):
    """A client of the server itself and a thread with two checkpoints, each with a blob and two writes."""
    client = load.Client(server.port)
    for checkpoint_id, parent in (("1", None), ("2", "1")):
        key = {"thread_id": thread_id, "checkpoint_id": checkpoint_id}
        assert client.post("put", {**key, "parent_checkpoint_id": parent, **A_CHECKPOINT, "blobs": [A_BLOB]})[0] == 200
        assert client.post("put-writes", {**key, "writes": writes("YQ==")})[0] == 204
    yield client, thread_id
    client.close()


@pytest.fixture
def tap(server):
    with Tap(server.port) as running:
        yield running


def writes(blob, *numbers):
    return [
        {"task_id": "t", "idx": number, "channel": "c", "type": "bytes", "blob": blob} for number in numbers or (0, 1)
    ]


def changes(thread_id):
    """A request of every kind that changes something, by name."""
    changed = {"checkpoint": {"by": "second", "channel_versions": {"a": "1"}}, "metadata": {"by": "second"}}
    new, old = ({"thread_id": thread_id, "checkpoint_id": number} for number in "32")
    other = {**A_BLOB, "version": "2", "blob": "Yg=="}
    child = {**new, "parent_checkpoint_id": "2", **changed, "blobs": [other]}
    return {
        "put": ("put", child),
        "put again": ("put", {**old, **changed, "blobs": [{**A_BLOB, "blob": "Yg=="}, other]}),
        "put after a head": ("put", {**child, "expected_head": "2"}),
        "put into nothing": ("put", {**child, "thread_id": f"{thread_id}-new", "expected_head": None}),
        "put-writes": ("put-writes", {**old, "writes": writes("Yg==", 1, 2)}),
        "upsert": ("put-writes", {**old, "writes": writes("Yg==", 1, 2), "upsert": True}),
        "delete-thread": ("delete-thread", {"thread_id": thread_id}),
        "copy-thread": ("copy-thread", {"source_thread_id": thread_id, "target_thread_id": f"{thread_id}-new"}),
        "prune": ("prune", {"thread_ids": [thread_id]}),
        "prune all": ("prune", {"thread_ids": [thread_id], "strategy": "delete"}),
    }


def seen(client, thread_id):
    return [mixed.read(client, name) for name in (thread_id, f"{thread_id}-new")]


def lost(tap, call, body):
    """Sends a request of which the answer gets lost, and gives a client that may send it again."""
    client = load.Client(tap.port)
    tap.spoil(lose)
    with pytest.raises(load.Unanswered):
        client.post(call, body)
    return client


@pytest.mark.parametrize("name", changes("t"))
def test_a_request_that_comes_again_has_one_effect(thread, tap, name):
    client, thread_id = thread
    call, body = changes(thread_id)[name]
    before = seen(client, thread_id)
    again = lost(tap, call, body)
    after = seen(client, thread_id)
    assert after != before
    status, _ = again.post(call, body)
    assert status == (200 if call in ("put", "prune") else 204)
    assert len(tap.requests) == 2
    assert seen(client, thread_id) == after
    again.close()


@pytest.mark.parametrize("upsert", [False, True], ids=["put-writes", "upsert"])
@pytest.mark.parametrize("other_upsert", [False, True], ids=["others put-writes", "others upsert"])
def test_writes_that_come_again_after_those_of_others(thread, tap, upsert, other_upsert):
    """The same keys meanwhile: without `upsert` the retry changes nothing, with it the last one counts."""
    client, thread_id = thread
    key = {"thread_id": thread_id, "checkpoint_id": "2"}
    call, body = "put-writes", {**key, "writes": writes("QUFB", 5, 6), "upsert": upsert}
    again = lost(tap, call, body)
    assert client.post(call, {**key, "writes": writes("QkJC", 5, 6), "upsert": other_upsert})[0] == 204
    assert again.post(call, body)[0] == 204
    stored = {write["idx"]: write["blob"] for write in client.post("get-tuple", key)[1]["pending_writes"]}
    expected = "QkJC" if other_upsert and not upsert else "QUFB"
    assert (stored[5], stored[6]) == (expected, expected)
    again.close()


def test_a_put_that_comes_again_after_another(thread, tap):
    """The document and the metadata are those of the last, the parent and the blobs those of the first."""
    client, thread_id = thread
    key = {"thread_id": thread_id, "checkpoint_id": "3"}

    def put(by, parent, blob):
        document = {"checkpoint": {"by": by, "channel_versions": {"a": "3"}}, "metadata": {"by": by}}
        blobs = [{**A_BLOB, "version": "3", "blob": blob}]
        return "put", {**key, "parent_checkpoint_id": parent, **document, "blobs": blobs}

    again = lost(tap, *put("first", "2", "QUFB"))
    assert client.post(*put("second", "1", "QkJC"))[0] == 200
    assert client.post("get-tuple", key)[1]["metadata"] == {"by": "second"}
    assert again.post(*put("first", "2", "QUFB"))[0] == 200
    found = client.post("get-tuple", key)[1]
    assert (found["metadata"], found["parent_checkpoint_id"]) == ({"by": "first"}, "2")
    assert [blob["blob"] for blob in found["blobs"]] == ["QUFB"]
    again.close()


def test_a_put_that_comes_again_after_a_child_of_it(thread, tap):
    """Its head is not the head any more: it is told which is, and nothing changes."""
    client, thread_id = thread
    call, body = changes(thread_id)["put after a head"]
    again = lost(tap, call, body)
    child = {**body, "checkpoint_id": "4", "parent_checkpoint_id": "3", "expected_head": "3"}
    assert client.post("put", child)[0] == 200
    before = seen(client, thread_id)
    status, answer = again.post(call, body)
    assert status in (409, 503) and (status == 503 or answer["head"] == "4"), answer
    assert seen(client, thread_id) == before
    again.close()
