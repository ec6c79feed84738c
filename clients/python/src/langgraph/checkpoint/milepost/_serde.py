"""The serializer that a saver uses unless it is given one: it revives data, and nothing that only looks like it."""

from __future__ import annotations

import copy
import dataclasses
import os
import sys
from collections.abc import Iterable
from enum import Enum
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

# Editions of langgraph-checkpoint before 4.0.1 have no allow-list: there, any class is revived.
HAS_ALLOWLIST = hasattr(JsonPlusSerializer, "with_msgpack_allowlist")
STRICT = os.environ.get("LANGGRAPH_STRICT_MSGPACK", "").lower() in ("1", "true", "yes")

# The ext types that name a module and a class, in the order [module, name, arguments...].
FIRST_CLASS_CODE, LAST_CLASS_CODE = 0, 5
SNAPSHOT_CODE = 7

# Classes that are data but no dataclass, enum, named tuple or model.
ALSO_DATA = frozenset({("pydantic.types", "SecretStr"), ("pydantic.types", "SecretBytes")})

Name = tuple[str, ...]


def default_serde() -> SerializerProtocol:
    """The serializer of a saver that was not given one."""
    if not HAS_ALLOWLIST:
        return JsonPlusSerializer()
    if STRICT:  # LangGraph then tells every saver the types of its graph: the list can be as short as that.
        return JsonPlusSerializer(allowed_msgpack_modules=None)
    return DataSerializer()


class DataSerializer(JsonPlusSerializer):
    """A JsonPlusSerializer with a strict msgpack allow-list, to which it admits the program's own data types.

    Revived are the types LangGraph holds to be safe, those of `with_msgpack_allowlist`, and enums, dataclasses, named
    tuples and pydantic models of modules that the program has already imported. Nothing else: reading a checkpoint
    imports no module and calls no function. What is not revived comes back as the plain value it was stored as.
    """

    def __init__(self) -> None:
        """Starts with LangGraph's own list of safe types."""
        super().__init__(allowed_msgpack_modules=None)
        # One value, so that threads that admit at once leave a list and its reader that belong together.
        self._admitted: tuple[frozenset[Name], JsonPlusSerializer] = (
            frozenset(),
            JsonPlusSerializer(allowed_msgpack_modules=None),
        )

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value that `dumps_typed` was given."""
        kind, content = data
        return (self._reader_for(content) if kind == "msgpack" else self._admitted[1]).loads_typed(data)

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[Name | type]) -> DataSerializer:
        """A copy that revives these types too: `(module, name)` each, or the class."""
        clone = copy.copy(self)
        names, reader = self._admitted
        clone._admitted = (names, reader.with_msgpack_allowlist(extra_allowlist))
        return clone

    def _reader_for(self, content: bytes) -> JsonPlusSerializer:
        """A reader that has the data types that `content` names on its list."""
        names, reader = self._admitted
        new = {name for name in named_types(content) - names if is_own_data(name)}
        if new:
            reader = reader.with_msgpack_allowlist(new)
            self._admitted = (names | new, reader)
        return reader


def named_types(content: bytes) -> set[Name]:
    """The `(module, name)` of every class that a msgpack document asks for. Builds none of them."""
    found: set[Name] = set()

    def visit(code: int, data: bytes) -> None:
        if not (FIRST_CLASS_CODE <= code <= LAST_CLASS_CODE or code == SNAPSHOT_CODE):
            return
        payload = ormsgpack.unpackb(data, ext_hook=visit, option=ormsgpack.OPT_NON_STR_KEYS)
        if code != SNAPSHOT_CODE and isinstance(payload, list) and len(payload) > 1:
            module, name = payload[:2]
            if isinstance(module, str) and isinstance(name, str):
                found.add((module, name))

    try:
        ormsgpack.unpackb(content, ext_hook=visit, option=ormsgpack.OPT_NON_STR_KEYS)
    except (ValueError, TypeError):
        return found  # Not msgpack, or keys that only a revived value could be: reading it says what is wrong.
    return found


def is_own_data(name: Name) -> bool:
    """Whether this is a class of an imported module that does nothing but hold data."""
    if name in ALSO_DATA:
        return True
    module = sys.modules.get(name[0])
    kind = vars(module).get(name[1]) if module is not None else None
    if not isinstance(kind, type):
        return False
    return issubclass(kind, Enum) or dataclasses.is_dataclass(kind) or _is_named_tuple(kind) or _is_model(kind)


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _is_model(kind: type) -> bool:
    return any(
        base.__name__ == "BaseModel" and base.__module__ in ("pydantic.main", "pydantic.v1.main")
        for base in kind.__mro__
    )
