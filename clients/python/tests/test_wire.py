"""What goes over the wire, without a server."""

import json
import math
from enum import IntEnum
from types import SimpleNamespace

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from checkpoints import checkpoint, config_of
from langgraph.checkpoint.milepost import InvalidRequestError
from langgraph.checkpoint.milepost._wire import Answer, Query, Wire, is_exact_in_json

FIRST = "0" * 31 + "1.0"


class Words(str):
    """A subclass of str, which JSON would make a str of."""


class Level(IntEnum):
    """A subclass of int."""

    LOW = 1


@pytest.fixture
def wire():
    return Wire(JsonPlusSerializer(), lambda: FIRST)


def blobs_of(call):
    return {blob["channel"]: (blob["version"], blob["type"]) for blob in call.body["blobs"]}


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 2**63 - 1, -(2**63), 0.0, 1.0, -1.5, 1e-4, 9e14, "", "text", "žluťoučký 🐴", "\x01\x7f"],
    ids=repr,
)
def test_what_json_holds_exactly_is_inline(value):
    assert is_exact_in_json(value)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        -0.0,
        9.9e-5,
        1e15,
        math.nan,
        math.inf,
        "a\0",
        "\ud800",
        Words("text"),
        Level.LOW,
        b"",
        [],
        {},
        (),
    ],
    ids=repr,
)
def test_everything_else_is_not(value):
    assert not is_exact_in_json(value)


def test_a_put_splits_the_values(wire):
    values = {"inline": 1, "blob": [1], "old": [2]}
    versions = {"inline": "3", "blob": "3", "old": "2", "gone": "3"}
    document = checkpoint(values, versions)
    new = {"inline": "3", "blob": "3", "gone": "3"}
    call = wire.put(config_of("t", "parent", "ns"), document, {"source": "loop"}, new)
    assert call.body["checkpoint"]["channel_values"] == {"inline": 1}
    assert blobs_of(call) == {"blob": ("3", "msgpack"), "gone": ("3", "empty")}
    assert [blob["blob"] for blob in call.body["blobs"] if blob["type"] == "empty"] == [None]
    assert (call.body["parent_checkpoint_id"], call.body["checkpoint_ns"]) == ("parent", "ns")
    assert "expected_head" not in call.body


def test_a_put_changes_nothing_it_was_given(wire):
    document = checkpoint({"a": 1, "b": [1]})
    before = json.dumps(document)
    metadata, config, new = {"source": "loop"}, config_of("t"), {"a": "1", "b": "1"}
    wire.put(config, document, metadata, new).content()
    assert json.dumps(document) == before
    assert (metadata, config, new) == ({"source": "loop"}, config_of("t"), {"a": "1", "b": "1"})


def test_versions_and_thread_ids_become_text(wire):
    call = wire.put(config_of(7), checkpoint({"a": [1]}, {"a": 4}), {}, {"a": 4})
    assert blobs_of(call) == {"a": ("4", "msgpack")}
    assert call.body["thread_id"] == "7"
    assert call.body["checkpoint"]["channel_versions"] == {"a": 4}


def test_a_value_that_another_saver_left_in_the_document_becomes_a_blob(wire):
    """Not changed by this step, it is not in new_versions; it is no longer in the document either."""
    document = checkpoint({"huge": 1e16, "list": [1]}, {"huge": "2", "list": "2"})
    assert blobs_of(wire.put(config_of("t"), document, {}, {})) == {"huge": ("2", "msgpack")}


def test_another_serializer_gets_every_value():
    reversing = SimpleNamespace(dumps_typed=lambda value: ("own", b"x"), loads_typed=lambda data: data)
    call = Wire(reversing, lambda: FIRST).put(config_of("t"), checkpoint({"a": 1, "b": None}), {}, {"a": "1", "b": "1"})
    assert call.body["checkpoint"]["channel_values"] == {}
    assert blobs_of(call) == {"a": ("1", "own"), "b": ("1", "own")}


def test_metadata_has_what_langgraph_puts_there(wire):
    config = {"configurable": {**config_of("t")["configurable"], "run_id": "r", "__secret": "x"}, "metadata": {"m": 1}}
    call = wire.put(config, checkpoint(), {"source": "loop", "writes": {}, "text": "a\0b"}, {})
    assert call.body["metadata"] == {"source": "loop", "text": "ab", "m": 1, "run_id": "r"}


@pytest.mark.parametrize("value", [math.nan, math.inf, {"deep": [-math.inf]}])
def test_metadata_that_is_not_json_is_refused(wire, value):
    with pytest.raises(InvalidRequestError, match="metadata, filters and ids must be JSON"):
        wire.put(config_of("t"), checkpoint(), {"score": value}, {}).content()


def test_refusing_forks_sends_the_parent():
    wire = Wire(JsonPlusSerializer(), lambda: FIRST, refuse_forks=True)
    assert wire.put(config_of("t", "parent"), checkpoint(), {}, {}).body["expected_head"] == "parent"
    assert wire.put(config_of("t"), checkpoint(), {}, {}).body["expected_head"] is None


def test_each_write_says_whether_it_replaces(wire):
    writes = [("a", 1), ("__error__", 2), ("b", 3), ("__resume__", 4), ("__return__", 5)]
    body = wire.put_writes(config_of("t", "c"), writes, "task", "~1").body
    assert [(write["idx"], write["upsert"]) for write in body["writes"]] == [
        (0, False),
        (-1, True),
        (2, False),
        (-4, True),
        (4, False),
    ]
    assert {(write["task_id"], write["task_path"]) for write in body["writes"]} == {("task", "~1")}


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_checkpoint_id_is_null(wire, nothing):
    config = {"configurable": {"thread_id": "t", "checkpoint_id": nothing}}
    assert wire.get_tuple(config).body["checkpoint_id"] is None
    assert wire.get_tuple(config).body["checkpoint_ns"] == ""
    assert wire.put(config, checkpoint(), {}, {}).body["parent_checkpoint_id"] is None


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ((None, None, None, None), {"across_threads": True}),
        (({}, None, None, None), {"across_threads": True}),
        (
            ({"configurable": {"thread_id": 1}}, {}, None, 5),
            {"thread_id": "1", "checkpoint_ns": None, "checkpoint_id": None},
        ),
        (
            (config_of("t", "c", "ns"), {"a": None}, config_of("t", "d"), None),
            {
                "thread_id": "t",
                "checkpoint_ns": "ns",
                "checkpoint_id": "c",
                "filter_metadata": {"a": None},
                "before_checkpoint_id": "d",
            },
        ),
    ],
)
def test_what_a_list_asks_for(arguments, body):
    query = Query.of(*arguments)
    assert (query.body, query.is_empty) == (body, False)


@pytest.mark.parametrize("arguments", [(None, None, None, 0), (None, None, config_of("t"), None)])
def test_what_needs_no_request(arguments):
    assert Query.of(*arguments).is_empty


def test_a_negative_limit_is_a_mistake():
    with pytest.raises(ValueError, match="limit is -1"):
        Query.of(None, None, None, -1)


@pytest.mark.parametrize(("left", "limit"), [(None, 100), (1, 1), (100, 100), (5000, 100)])
def test_a_page_is_no_larger_than_what_is_wanted(wire, left, limit):
    assert wire.list_page(Query.of(None, None, None, left), None, left).body["limit"] == limit


def test_one_string_is_no_list_of_strings(wire):
    with pytest.raises(TypeError, match="thread_ids"):
        wire.prune("abc", "keep_latest", 1, False)
    with pytest.raises(TypeError, match="run_ids"):
        wire.delete_for_runs("abc")


def test_unknown_ways_to_prune_are_refused(wire):
    with pytest.raises(ValueError, match="strategy is 'other'"):
        wire.prune(["t"], "other", 1, False)
    with pytest.raises(ValueError, match="keep_last is 0"):
        wire.prune(["t"], "keep_latest", 0, False)


def test_a_newer_server_s_report_is_read_too(wire):
    thread = {"thread_id": "t", "checkpoints": 1, "blobs": 2, "writes": 3, "bytes": 4, "kept": 5, "new": 6}
    answer = {"dry_run": True, "checkpoints": 1, "blobs": 2, "writes": 3, "bytes": 4, "threads": [thread], "new": 7}
    report = wire.prune(["t"], "keep_latest", 1, True).read(Answer(answer))
    assert (report.dry_run, report.bytes, report.threads[0].kept) == (True, 4, 5)
