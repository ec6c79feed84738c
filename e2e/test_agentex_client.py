"""The released agentex client, generated from the original server's API: all five calls, blocking and asynchronous."""

import asyncio
import base64

import pytest
from agentex import Agentex, AsyncAgentex, UnprocessableEntityError
from agentex.types import CheckpointGetTupleResponse, CheckpointPutResponse
from agentex.types.checkpoint_list_response import CheckpointListResponseItem

DOCUMENT = {"v": 4, "id": "c1", "channel_versions": {"messages": "1", "count": "1"}, "channel_values": {"count": 1}}


def b64(data):
    return base64.b64encode(data).decode()


class InOneLoop:
    """The asynchronous client, called like the blocking one: each call runs to its end on one event loop."""

    def __init__(self, base_url):
        self._loop = asyncio.new_event_loop()
        self._client = AsyncAgentex(base_url=base_url, max_retries=0)
        self.checkpoints = self

    def __getattr__(self, name):
        method = getattr(self._client.checkpoints, name)
        return lambda **arguments: self._loop.run_until_complete(method(**arguments))

    def close(self):
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


@pytest.fixture(params=["Agentex", "AsyncAgentex"])
def checkpoints(request, server):
    """The `checkpoints` resource of either client, without the retries that would hide a failure."""
    if request.param == "Agentex":
        client = Agentex(base_url=server.base_url, max_retries=0)
    else:
        client = InOneLoop(server.base_url)
    yield client.checkpoints
    client.close()


def put(checkpoints, thread_id, checkpoint_id, **more):
    """A checkpoint with a small document, unless `more` has another."""
    arguments = {"checkpoint": {"id": checkpoint_id}, **more}
    return checkpoints.put(thread_id=thread_id, checkpoint_id=checkpoint_id, **arguments)


def write(task_id, idx, data=b"w", **more):
    return {"task_id": task_id, "idx": idx, "channel": "messages", "type": "bytes", "blob": b64(data), **more}


def ids(items):
    return [item.checkpoint_id for item in items]


def test_the_development_address_is_the_default_port():
    """Milepost's default address is the one the client calls `development`. Without a name it calls the vendor's."""
    client = Agentex(environment="development")
    assert str(client.base_url).rstrip("/") == "http://localhost:5003"


def test_put_answers_the_key(checkpoints, thread_id):
    answer = put(checkpoints, thread_id, "c1", checkpoint_ns="child:1")
    assert isinstance(answer, CheckpointPutResponse)
    assert answer.to_dict() == {"thread_id": thread_id, "checkpoint_ns": "child:1", "checkpoint_id": "c1"}


def test_a_full_checkpoint_comes_back(checkpoints, thread_id):
    blob = {"channel": "messages", "version": "1", "type": "msgpack", "blob": b64(bytes(range(256)))}
    metadata = {"source": "loop", "step": 3, "parents": {}, "writes": None}
    put(
        checkpoints,
        thread_id,
        "c1",
        checkpoint=DOCUMENT,
        metadata=metadata,
        parent_checkpoint_id="c0",
        blobs=[blob, {"channel": "count", "version": "1", "type": "empty", "blob": None}],
    )
    checkpoints.put_writes(thread_id=thread_id, checkpoint_id="c1", writes=[write("t", 0, b"\x00\xff")])
    answer = checkpoints.get_tuple(thread_id=thread_id)
    assert isinstance(answer, CheckpointGetTupleResponse)
    assert answer.to_dict() == {
        "thread_id": thread_id,
        "checkpoint_ns": "",
        "checkpoint_id": "c1",
        "parent_checkpoint_id": "c0",
        "checkpoint": DOCUMENT,
        "metadata": metadata,
        "blobs": answer.to_dict()["blobs"],
        "pending_writes": [
            {"task_id": "t", "idx": 0, "channel": "messages", "type": "bytes", "blob": b64(b"\x00\xff")}
        ],
    }
    found = {found.channel: (found.version, found.type, found.blob) for found in answer.blobs}
    assert found == {"messages": ("1", "msgpack", blob["blob"]), "count": ("1", "empty", None)}


def test_defaults(checkpoints, thread_id):
    put(checkpoints, thread_id, "c1")
    answer = checkpoints.get_tuple(thread_id=thread_id)
    assert (answer.checkpoint_ns, answer.parent_checkpoint_id, answer.metadata) == ("", None, {})
    assert (answer.blobs, answer.pending_writes) == ([], [])


def test_nothing_is_none(checkpoints, thread_id):
    assert checkpoints.get_tuple(thread_id=thread_id) is None
    put(checkpoints, thread_id, "c1")
    assert checkpoints.get_tuple(thread_id=thread_id, checkpoint_id="c2") is None
    assert checkpoints.get_tuple(thread_id=thread_id, checkpoint_ns="other") is None


@pytest.mark.parametrize("latest", [{}, {"checkpoint_id": None}, {"checkpoint_id": ""}])
def test_no_id_means_the_greatest(checkpoints, thread_id, latest):
    for checkpoint_id in ("c2", "c3", "c1"):
        put(checkpoints, thread_id, checkpoint_id)
    assert checkpoints.get_tuple(thread_id=thread_id, **latest).checkpoint_id == "c3"
    assert checkpoints.get_tuple(thread_id=thread_id, checkpoint_id="c2").checkpoint_id == "c2"


def test_a_second_put_replaces_document_and_metadata_but_not_the_parent(checkpoints, thread_id):
    put(checkpoints, thread_id, "c2", parent_checkpoint_id="c1", metadata={"step": 1})
    put(checkpoints, thread_id, "c2", parent_checkpoint_id="other", checkpoint={"id": "c2", "again": True})
    answer = checkpoints.get_tuple(thread_id=thread_id)
    assert answer.parent_checkpoint_id == "c1"
    assert answer.checkpoint == {"id": "c2", "again": True}
    assert answer.metadata == {}


def test_a_blob_is_written_once(checkpoints, thread_id):
    document = {"channel_versions": {"a": "1"}}
    for data in (b"first", b"second"):
        blob = {"channel": "a", "version": "1", "type": "t", "blob": b64(data)}
        put(checkpoints, thread_id, "c1", checkpoint=document, blobs=[blob])
    assert checkpoints.get_tuple(thread_id=thread_id).blobs[0].blob == b64(b"first")


def test_put_writes_keeps_the_first_unless_told_to_replace(checkpoints, thread_id):
    put(checkpoints, thread_id, "c1")
    key = {"thread_id": thread_id, "checkpoint_id": "c1"}
    assert checkpoints.put_writes(**key, writes=[write("t", 0, b"first")]) is None
    checkpoints.put_writes(**key, writes=[write("t", 0, b"second")])
    assert checkpoints.get_tuple(thread_id=thread_id).pending_writes[0].blob == b64(b"first")
    checkpoints.put_writes(**key, writes=[write("t", 0, b"third", channel="other", type=None)], upsert=True)
    found = checkpoints.get_tuple(thread_id=thread_id).pending_writes
    assert [(w.blob, w.channel, w.type) for w in found] == [(b64(b"third"), "other", None)]


def test_writes_come_in_path_task_and_index_order(checkpoints, thread_id):
    put(checkpoints, thread_id, "c1")
    writes = [
        write("b", 0, task_path="~1"),
        write("a", 10, task_path="~2"),
        write("a", 9, task_path="~2"),
        write("z", 1),
        write("z", -3),
    ]
    checkpoints.put_writes(thread_id=thread_id, checkpoint_id="c1", writes=writes)
    found = checkpoints.get_tuple(thread_id=thread_id).pending_writes
    assert [(w.task_id, w.idx) for w in found] == [("z", -3), ("z", 1), ("b", 0), ("a", 9), ("a", 10)]


def test_writes_may_come_before_their_checkpoint(checkpoints, thread_id):
    checkpoints.put_writes(thread_id=thread_id, checkpoint_id="c1", writes=[write("t", 0)])
    assert checkpoints.get_tuple(thread_id=thread_id) is None
    put(checkpoints, thread_id, "c1")
    assert len(checkpoints.get_tuple(thread_id=thread_id).pending_writes) == 1


def test_list_answers_items_newest_first(checkpoints, thread_id):
    put(checkpoints, thread_id, "c1", metadata={"step": 0})
    put(checkpoints, thread_id, "c2", metadata={"step": 1}, parent_checkpoint_id="c1")
    items = checkpoints.list(thread_id=thread_id)
    assert all(isinstance(item, CheckpointListResponseItem) for item in items)
    assert [item.to_dict() for item in items] == [
        {
            "thread_id": thread_id,
            "checkpoint_ns": "",
            "checkpoint_id": checkpoint_id,
            "parent_checkpoint_id": parent,
            "checkpoint": {"id": checkpoint_id},
            "metadata": {"step": step},
        }
        for checkpoint_id, parent, step in (("c2", "c1", 1), ("c1", None, 0))
    ]


def test_list_pages_by_before_checkpoint_id(checkpoints, thread_id):
    names = [f"c{number:02d}" for number in range(7)]
    for name in names:
        put(checkpoints, thread_id, name)
    pages, before = [], None
    while page := checkpoints.list(thread_id=thread_id, limit=3, before_checkpoint_id=before):
        pages.append(ids(page))
        before = pages[-1][-1]
    assert pages == [["c06", "c05", "c04"], ["c03", "c02", "c01"], ["c00"]]
    assert checkpoints.list(thread_id=thread_id, before_checkpoint_id="") == []


def test_list_answers_a_hundred_unless_told(checkpoints, thread_id):
    for number in range(103):
        put(checkpoints, thread_id, f"c{number:03d}")
    assert len(checkpoints.list(thread_id=thread_id)) == 100
    assert len(checkpoints.list(thread_id=thread_id, limit=1000)) == 103


def test_list_takes_one_namespace_or_all(checkpoints, thread_id):
    put(checkpoints, thread_id, "c1")
    put(checkpoints, thread_id, "c2", checkpoint_ns="child")
    assert ids(checkpoints.list(thread_id=thread_id)) == ["c2", "c1"]
    assert ids(checkpoints.list(thread_id=thread_id, checkpoint_ns=None)) == ["c2", "c1"]
    assert ids(checkpoints.list(thread_id=thread_id, checkpoint_ns="")) == ["c1"]
    assert ids(checkpoints.list(thread_id=thread_id, checkpoint_ns="child")) == ["c2"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"source": "loop"}, ["c3", "c2"]),
        ({"source": "loop", "step": 1}, ["c2"]),
        ({"tags": ["b"]}, ["c3"]),
        ({"nested": {"a": 1}}, ["c2"]),
        ({"missing": None}, []),
        ({"none": None}, ["c1"]),
        ({"step": True}, []),
        ({}, ["c3", "c2", "c1"]),
        (None, ["c3", "c2", "c1"]),
    ],
)
def test_list_filters_by_containment(checkpoints, thread_id, wanted, found):
    put(checkpoints, thread_id, "c1", metadata={"source": "input", "step": -1, "none": None})
    put(checkpoints, thread_id, "c2", metadata={"source": "loop", "step": 1, "nested": {"a": 1, "b": 2}})
    put(checkpoints, thread_id, "c3", metadata={"source": "loop", "step": 2, "tags": ["a", "b"]})
    assert ids(checkpoints.list(thread_id=thread_id, filter_metadata=wanted)) == found


def test_delete_thread_leaves_nothing_and_touches_no_other(checkpoints, thread_id):
    other = f"{thread_id}-other"
    for thread in (thread_id, other):
        for namespace in ("", "child"):
            put(checkpoints, thread, "c1", checkpoint_ns=namespace)
            checkpoints.put_writes(
                thread_id=thread, checkpoint_ns=namespace, checkpoint_id="c1", writes=[write("t", 0)]
            )
    assert checkpoints.delete_thread(thread_id=thread_id) is None
    assert checkpoints.delete_thread(thread_id=thread_id) is None
    assert checkpoints.list(thread_id=thread_id) == []
    put(checkpoints, thread_id, "c1")
    assert checkpoints.get_tuple(thread_id=thread_id).pending_writes == []
    assert len(checkpoints.list(thread_id=other)) == 2


def test_a_refusal_is_the_clients_own_error(checkpoints, thread_id):
    with pytest.raises(UnprocessableEntityError) as refused:
        checkpoints.put_writes(thread_id=thread_id, checkpoint_id="c1", writes=[{"task_id": "t", "idx": "x"}])
    assert refused.value.status_code == 422
    problems = [(problem["type"], problem["loc"]) for problem in refused.value.body["detail"]]
    assert problems == [
        ("int_parsing", ["body", "writes", 0, "idx"]),
        ("missing", ["body", "writes", 0, "channel"]),
        ("missing", ["body", "writes", 0, "blob"]),
    ]
    assert refused.value.response.headers["x-request-id"]


def test_a_refused_request_changes_nothing(checkpoints, thread_id):
    put(checkpoints, thread_id, "c1")
    with pytest.raises(UnprocessableEntityError):
        writes = [write("t", 0), {**write("t", 1), "blob": "not base64"}]
        checkpoints.put_writes(thread_id=thread_id, checkpoint_id="c1", writes=writes)
    assert checkpoints.get_tuple(thread_id=thread_id).pending_writes == []
