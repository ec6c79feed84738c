"""Which types come back from a checkpoint, and which do not."""

import datetime
import ipaddress
import operator
import pathlib
import re
import sys
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.types import Command, Interrupt, Send
from pydantic import BaseModel

from checkpoints import config_of, save
from langgraph.checkpoint.milepost import MilepostSaver, default_serde
from langgraph.checkpoint.milepost._serde import HAS_ALLOWLIST, is_own_data, named_types

needs_allowlist = pytest.mark.skipif(not HAS_ALLOWLIST, reason="this edition of langgraph-checkpoint has no allow-list")


class Colour(Enum):
    """An enum."""

    RED = 1


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: int


@dataclass
class Order:
    """A dataclass, with one of each other kind in it."""

    item: str
    colour: Colour
    at: Point


class Model(BaseModel):
    """A pydantic model."""

    name: str
    orders: list[Order]


class Counter:
    """A class that does something when it is made, and so is not data."""

    made = 0

    def __init__(self, *_, **__):
        type(self).made += 1


OWN = [Colour.RED, Point(1, 2), Order("bolts", Colour.RED, Point(1, 2)), Model(name="m", orders=[])]
MESSAGES = [HumanMessage("hi", id="1"), AIMessage("ho", id="2"), ToolMessage("5", tool_call_id="c", id="3")]
STANDARD = [
    {1, 2},
    frozenset({1}),
    deque([1, 2]),
    uuid.UUID(int=5),
    Decimal("1.10"),
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone.utc),
    datetime.date(2026, 1, 2),
    datetime.timedelta(days=1, microseconds=2),
    pathlib.PurePosixPath("/a/b") if sys.platform == "win32" else pathlib.Path("/a/b"),
    re.compile("a.b", re.IGNORECASE),
    ipaddress.ip_address("::1"),
]
LANGGRAPH = [
    Send("node", {"a": 1}),
    Interrupt(value={"q": "?"}, id="i"),
    Command(update={"a": 1}, resume="yes", goto=[]),
]


def packed(code, *payload):
    """What an attacker with the database may write: an instruction to build something."""
    return ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(list(payload))))


def round_trip(value):
    serde = default_serde()
    return serde.loads_typed(serde.dumps_typed(value))


@pytest.mark.parametrize("value", [*OWN, *MESSAGES, *STANDARD, *LANGGRAPH], ids=lambda value: type(value).__name__)
def test_ordinary_values_come_back_as_they_were(value):
    assert round_trip(value) == value
    assert round_trip({"deep": [value]}) == {"deep": [value]}
    assert type(round_trip(value)) is type(value)


@needs_allowlist
@pytest.mark.parametrize(
    ("code", "payload"),
    [
        (0, (__name__, "Counter", 1)),
        (1, (__name__, "Counter", [1])),
        (2, (__name__, "Counter", {"a": 1})),
        (5, (__name__, "Counter", {"a": 1}, "model_validate_json")),
        (0, ("operator", "neg", 1)),
        (1, ("subprocess", "Popen", [["true"]])),
        (0, ("builtins", "eval", "1")),
        (0, ("os", "system", "true")),
    ],
    ids=str,
)
def test_nothing_else_is_built(code, payload):
    assert default_serde().loads_typed(("msgpack", packed(code, *payload))) == payload[2]
    assert Counter.made == 0
    assert operator.neg(1) == -1


@needs_allowlist
def test_no_module_is_imported_by_reading():
    assert "this" not in sys.modules
    assert default_serde().loads_typed(("msgpack", packed(0, "this", "s", 1))) == 1
    assert "this" not in sys.modules


@needs_allowlist
def test_what_the_user_allows_is_built(tmp_path):
    serde = default_serde()
    allowed = serde.with_msgpack_allowlist([Counter])
    content = packed(0, __name__, "Counter", 1)
    try:
        assert isinstance(allowed.loads_typed(("msgpack", content)), Counter)
    finally:
        Counter.made = 0
    assert serde.loads_typed(("msgpack", content)) == 1


@needs_allowlist
def test_with_allowlist_gives_a_saver_on_the_same_connections(sqlite_server, thread_id):
    with MilepostSaver(sqlite_server.base_url) as saver:
        clone = saver.with_allowlist([(__name__, "Counter")])
        assert clone is not saver
        assert clone._transport is saver._transport
        config = save(saver, thread_id, {"a": [1]})
        assert clone.get_tuple(config) == saver.get_tuple(config)


@needs_allowlist
def test_types_are_found_at_any_depth_without_building_them():
    serde = default_serde()
    _, content = serde.dumps_typed({"a": [Model(name="m", orders=[Order("b", Colour.RED, Point(1, 2))]), Colour.RED]})
    assert {(__name__, "Model"), (__name__, "Colour")} <= named_types(content)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ((__name__, "Order"), True),
        ((__name__, "Colour"), True),
        ((__name__, "Point"), True),
        ((__name__, "Model"), True),
        ((__name__, "Counter"), False),
        ((__name__, "packed"), False),
        ((__name__, "missing"), False),
        (("no.such.module", "Order"), False),
        (("pydantic.types", "SecretStr"), True),
    ],
)
def test_data_is_told_from_code(name, own):
    assert is_own_data(name) is own


@pytest.mark.parametrize(
    "content", [b"", b"\xc1", b"\xd4\x00", packed(0, "only"), packed(0, 1, 2, 3), b"\xc7\x01\x07\xc1"]
)
def test_broken_content_names_nothing(content):
    assert named_types(content) == set()


def test_encrypted_values_leave_nothing_readable_behind(open_surface, sqlite_server, thread_id):
    serde = EncryptedSerializer.from_pycryptodome_aes(serde=default_serde(), key=b"0123456789abcdef")
    encrypted = open_surface(sqlite_server.base_url, serde=serde)
    values = {"text": "secret words", "number": 42, "nothing": None, "order": OWN[2]}
    config = save(encrypted, thread_id, values)
    encrypted.put_writes(config, [("text", "secret words")], "task")
    found = encrypted.get_tuple(config)
    assert found.checkpoint["channel_values"] == values
    assert found.pending_writes == [("task", "text", "secret words")]
    [listed] = encrypted.list(config_of(thread_id))
    assert listed == found

    with MilepostSaver(sqlite_server.base_url, serde=Untouched()) as plain:
        raw = plain.get_tuple(config)
    assert all(kind.endswith("+aes") for kind, _ in raw.checkpoint["channel_values"].values())
    assert "secret" not in repr(raw)
    assert b"secret" not in b"".join(content for _, content in raw.checkpoint["channel_values"].values())


def test_a_thread_that_was_plain_can_go_on_encrypted(open_surface, sqlite_server, thread_id):
    serde = EncryptedSerializer.from_pycryptodome_aes(serde=default_serde(), key=b"0123456789abcdef")
    plain, encrypted = open_surface(sqlite_server.base_url), open_surface(sqlite_server.base_url, serde=serde)
    first = save(plain, thread_id, {"text": "plain", "list": [1]})
    second = save(encrypted, thread_id, {"text": "plain", "list": [1]}, parent=first, new={})
    assert encrypted.get_tuple(first).checkpoint["channel_values"] == {"text": "plain", "list": [1]}
    assert encrypted.get_tuple(second).checkpoint["channel_values"] == {"text": "plain", "list": [1]}


class Untouched:
    """A serializer that shows what is stored."""

    def dumps_typed(self, value):
        raise NotImplementedError

    def loads_typed(self, data):
        return data


def test_threads_may_read_types_that_none_has_read_before(monkeypatch):
    types = [Enum(f"Colour{number}", {"RED": number}, module=__name__) for number in range(200)]
    for one in types:
        monkeypatch.setattr(sys.modules[__name__], one.__name__, one, raising=False)
    serde = default_serde()
    stored = [serde.dumps_typed(one.RED) for one in types]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(serde.loads_typed, stored)) == [one.RED for one in types]
