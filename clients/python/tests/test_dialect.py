"""Where LangGraph's own savers differ, all eleven ways: ours is right in each."""

import math
from enum import Enum

import pytest
from langgraph.checkpoint.base import ERROR, INTERRUPT
from langgraph.checkpoint.serde.types import TASKS
from langgraph.types import Send

from checkpoints import config_of, ids, save


class Colour(str, Enum):
    """An enum whose members are strings: JSON has no such thing."""

    RED = "red"


def stored(surface, thread_id, value):
    """What comes back of a channel value, from the latest checkpoint and from a list, which must agree."""
    save(surface, thread_id, {"channel": value})
    found = surface.get_tuple(config_of(thread_id)).checkpoint["channel_values"]["channel"]
    [listed] = surface.list(config_of(thread_id))
    assert repr(listed.checkpoint["channel_values"]["channel"]) == repr(found)
    return found


def test_a_list_of_all_threads_is_newest_first(surface, thread_id):
    saved = [save(surface, f"{thread_id}-{name}", metadata={"mark": thread_id}) for name in ("b", "a", "c", "a", "b")]
    found = surface.list(None, filter={"mark": thread_id})
    assert [one.config for one in found] == saved[::-1]
    assert ids(surface.list(None, filter={"mark": thread_id}, limit=2)) == ids(found)[:2]


@pytest.mark.parametrize(
    "wanted", [{"o": {"a": 1}}, {"l": [2]}, {"l": [2, 1, 1]}, {"o": {}}, {"o": {"deep": {"x": [1]}}}]
)
def test_a_nested_filter_is_containment(surface, thread_id, wanted):
    save(surface, thread_id, metadata={"o": {"a": 1, "b": 2, "deep": {"x": [1, 2], "y": 0}}, "l": [1, 2]})
    save(surface, thread_id, metadata={"o": [], "l": [3]})
    assert len(surface.list(config_of(thread_id), filter=wanted)) == 1


def test_a_null_filter_is_an_explicit_null(surface, thread_id):
    save(surface, thread_id, metadata={"source": "loop"})
    explicit = save(surface, thread_id, metadata={"source": "loop", "score": None})
    assert [one.config for one in surface.list(config_of(thread_id), filter={"score": None})] == [explicit]


@pytest.mark.parametrize("key", ["a.b", 'a"b', "a b", "a'b", "$.a", "a[0]", "ключ", ""])
def test_any_key_can_be_filtered_by(surface, thread_id, key):
    wanted = save(surface, thread_id, metadata={key: "yes"})
    save(surface, thread_id, metadata={key: "no"})
    save(surface, thread_id, metadata={"a": {"b": "yes"}})
    assert [one.config for one in surface.list(config_of(thread_id), filter={key: "yes"})] == [wanted]


@pytest.mark.parametrize(
    "value", [1e15, 1e16, 1e22, 1e100, 1e300, -1e17, 5e-324, 1e-7, 123456789012345680.0, 0.0, -0.0]
)
def test_a_float_stays_that_float(surface, thread_id, value):
    found = stored(surface, thread_id, value)
    assert (type(found), found.hex()) == (float, value.hex())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_stays(surface, thread_id, value):
    assert repr(stored(surface, thread_id, value)) == repr(value)


@pytest.mark.parametrize("value", ["\0", "a\0b", "ends\0"])
def test_a_string_keeps_its_nul(surface, thread_id, value):
    assert stored(surface, thread_id, value) == value


def test_a_string_enum_keeps_its_type(surface, thread_id):
    assert stored(surface, thread_id, Colour.RED) is Colour.RED


def test_a_bytearray_stays_one(surface, thread_id):
    found = stored(surface, thread_id, bytearray(b"\x00\xff"))
    assert (type(found), found) == (bytearray, b"\x00\xff")


def test_a_special_write_replaces_in_a_mixed_call(surface, thread_id):
    config = save(surface, thread_id)
    surface.put_writes(config, [("a", 1), (ERROR, "first"), (INTERRUPT, "first"), ("b", 1)], "task")
    surface.put_writes(config, [("a", 2), (ERROR, "second"), ("c", 2)], "task")
    found = surface.get_tuple(config).pending_writes
    assert found == [
        ("task", INTERRUPT, "first"),
        ("task", ERROR, "second"),
        ("task", "a", 1),
        ("task", "c", 2),
        ("task", "b", 1),
    ]


def test_what_a_parent_sent_before_version_4_is_a_value(surface, thread_id):
    parent = save(surface, thread_id, {"x": 1}, v=3)
    surface.put_writes(parent, [(TASKS, Send("node", 2))], "later", "~2")
    surface.put_writes(parent, [("x", 0), (TASKS, Send("node", 1))], "earlier", "~1")
    child = save(surface, thread_id, {"x": 1, "y": 2}, parent=parent, v=3, versions={"x": "1", "y": "3"})
    surface.put_writes(child, [(TASKS, Send("node", "its own"))], "task")
    latest = surface.get_tuple(config_of(thread_id))
    for found in (latest, surface.list(config_of(thread_id), limit=1)[0]):
        assert found.checkpoint["channel_values"] == {"x": 1, "y": 2, TASKS: [Send("node", 1), Send("node", 2)]}
        assert found.checkpoint["channel_versions"] == {"x": "1", "y": "3", TASKS: "3"}
    assert TASKS not in surface.get_tuple(parent).checkpoint["channel_values"]


def test_since_version_4_they_are_not(surface, thread_id):
    parent = save(surface, thread_id)
    surface.put_writes(parent, [(TASKS, Send("node", 1))], "task")
    child = save(surface, thread_id, parent=parent)
    assert surface.get_tuple(child).checkpoint["channel_values"] == {}
