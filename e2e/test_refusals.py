"""Every refusal of a field, with the whole body it is answered with.

A value that was refused is repeated as `input` when it is small and cannot hold a blob; pydantic always repeats it.
"""

import json

import pytest

import wire
from refusals import (
    BASE64,
    BOOL,
    BOOL_TEXT,
    DICT,
    FINITE,
    INT,
    INT_FRACTION,
    INT_TEXT,
    KEY_BYTES,
    LIST,
    MISSING,
    MODEL,
    NOT_REPEATED,
    NUL,
    PUT,
    STRING,
    UNICODE,
    WRITE,
    at_least,
    at_most,
    check,
    get_tuple,
    json_invalid,
    list_checkpoints,
    problem,
    put,
    put_blob,
    put_write,
    put_writes,
    too_long,
    value_error,
)

# MARK: what is missing or of the wrong type

FIELDS = [
    ("get-tuple", {}, [problem(MISSING, "thread_id", input={})]),
    ("list", {"limit": 5}, [problem(MISSING, "thread_id", input={"limit": 5})]),
    ("delete-thread", {"other": 1}, [problem(MISSING, "thread_id", input={"other": 1})]),
    ("put", {}, [problem(MISSING, name) for name in ("thread_id", "checkpoint_id", "checkpoint")]),
    ("put-writes", {}, [problem(MISSING, name) for name in ("thread_id", "checkpoint_id", "writes")]),
    (*put(blobs=[{}]), [problem(MISSING, "blobs", 0, name) for name in ("channel", "version", "type")]),
    (
        *put_writes(writes=[{}]),
        [problem(MISSING, "writes", 0, name) for name in ("task_id", "idx", "channel", "blob")],
    ),
    (*get_tuple(thread_id=1), [problem(STRING, "thread_id", input=1)]),
    (*get_tuple(thread_id=None), [problem(STRING, "thread_id", input=None)]),
    (*get_tuple(thread_id=True), [problem(STRING, "thread_id", input=True)]),
    (*get_tuple(thread_id=1.5), [problem(STRING, "thread_id", input=1.5)]),
    (*get_tuple(thread_id=["a"]), [problem(STRING, "thread_id", input=["a"])]),
    (*get_tuple(thread_id={"a": 1}), [problem(STRING, "thread_id", input={"a": 1})]),
    (*get_tuple(checkpoint_ns=None), [problem(STRING, "checkpoint_ns", input=None)]),
    (*get_tuple(checkpoint_id=7), [problem(STRING, "checkpoint_id", input=7)]),
    (*list_checkpoints(checkpoint_ns=0), [problem(STRING, "checkpoint_ns", input=0)]),
    (*list_checkpoints(before_checkpoint_id=0), [problem(STRING, "before_checkpoint_id", input=0)]),
    (*list_checkpoints(filter_metadata="a"), [problem(DICT, "filter_metadata", input="a")]),
    (*list_checkpoints(filter_metadata=[]), [problem(DICT, "filter_metadata", input=[])]),
    (*put(parent_checkpoint_id=1), [problem(STRING, "parent_checkpoint_id", input=1)]),
    (*put(checkpoint=None), [problem(DICT, "checkpoint", input=None)]),
    (*put(checkpoint=[1]), [problem(DICT, "checkpoint", input=[1])]),
    (*put(metadata=None), [problem(DICT, "metadata", input=None)]),
    (*put(metadata="m"), [problem(DICT, "metadata", input="m")]),
    (*put(blobs=None), [problem(LIST, "blobs", input=None)]),
    (*put(blobs="b"), [problem(LIST, "blobs", input="b")]),
    (*put(blobs={}), [problem(LIST, "blobs")]),
    (*put(blobs=[None, 1]), [problem(MODEL, "blobs", 0, input=None), problem(MODEL, "blobs", 1, input=1)]),
    (*put_blob(channel=1), [problem(STRING, "blobs", 0, "channel", input=1)]),
    (*put_blob(version=1), [problem(STRING, "blobs", 0, "version", input=1)]),
    (*put_blob(type=None), [problem(STRING, "blobs", 0, "type", input=None)]),
    (*put_blob(blob=1), [problem(STRING, "blobs", 0, "blob")]),
    (*put_writes(writes=None), [problem(LIST, "writes", input=None)]),
    (*put_writes(writes={}), [problem(LIST, "writes")]),
    (*put_writes(writes=[[]]), [problem(MODEL, "writes", 0)]),
    (*put_write(task_id=1), [problem(STRING, "writes", 0, "task_id", input=1)]),
    (*put_write(channel=None), [problem(STRING, "writes", 0, "channel", input=None)]),
    (*put_write(type=1), [problem(STRING, "writes", 0, "type", input=1)]),
    (*put_write(blob=None), [problem(STRING, "writes", 0, "blob")]),
    (*put_write(blob=[104]), [problem(STRING, "writes", 0, "blob")]),
    (*put_write(task_path=None), [problem(STRING, "writes", 0, "task_path", input=None)]),
]

NUMBERS = [
    (*put_write(idx=None), [problem(INT, "writes", 0, "idx", input=None)]),
    (*put_write(idx=[]), [problem(INT, "writes", 0, "idx", input=[])]),
    (*put_write(idx=1.5), [problem(INT_FRACTION, "writes", 0, "idx", input=1.5)]),
    (*put_write(idx="1.5"), [problem(INT_TEXT, "writes", 0, "idx", input="1.5")]),
    (*put_write(idx="0x10"), [problem(INT_TEXT, "writes", 0, "idx", input="0x10")]),
    (*put_write(idx=2**31), [at_most(2**31 - 1, "writes", 0, "idx", input=2**31)]),
    (*put_write(idx=-(2**31) - 1), [at_least(-(2**31), "writes", 0, "idx", input=-(2**31) - 1)]),
    (*put_write(idx=2**70), [at_most(2**31 - 1, "writes", 0, "idx", input=2**70)]),
    (*put_write(idx="2147483648"), [at_most(2**31 - 1, "writes", 0, "idx", input="2147483648")]),
    (*put_writes(upsert=None), [problem(BOOL, "upsert", input=None)]),
    (*put_writes(upsert=[]), [problem(BOOL, "upsert", input=[])]),
    (*put_writes(upsert=2), [problem(BOOL_TEXT, "upsert", input=2)]),
    (*put_writes(upsert="maybe"), [problem(BOOL_TEXT, "upsert", input="maybe")]),
    (*list_checkpoints(limit=0), [at_least(1, "limit", input=0)]),
    (*list_checkpoints(limit=1001), [at_most(1000, "limit", input=1001)]),
    (*list_checkpoints(limit="1001"), [at_most(1000, "limit", input="1001")]),
    (*list_checkpoints(limit=None), [problem(INT, "limit", input=None)]),
]


def named(cases):
    """The cases with a readable id each."""
    return [pytest.param(*case, id=f"{case[0]} {json.dumps(case[1])[:70]}") for case in cases]


@pytest.mark.parametrize(("call", "body", "problems"), named(FIELDS + NUMBERS))
def test_wrong_fields(server, call, body, problems):
    check(server, call, body, *problems)


def test_every_problem_at_once_in_the_order_of_declaration(server):
    body = {
        "upsert": "maybe",
        "writes": [WRITE, {"blob": "!", "idx": "x", "task_id": 1}, None, {**WRITE, "task_path": 0}],
        "checkpoint_ns": 5,
        "thread_id": None,
    }
    check(
        server,
        "put-writes",
        body,
        problem(STRING, "thread_id", input=None),
        problem(STRING, "checkpoint_ns", input=5),
        problem(MISSING, "checkpoint_id"),
        problem(STRING, "writes", 1, "task_id", input=1),
        problem(INT_TEXT, "writes", 1, "idx", input="x"),
        problem(MISSING, "writes", 1, "channel"),
        value_error(BASE64, "writes", 1, "blob"),
        problem(MODEL, "writes", 2, input=None),
        problem(STRING, "writes", 3, "task_path", input=0),
        problem(BOOL_TEXT, "upsert", input="maybe"),
    )


# A string's JSON text has two bytes more.
@pytest.mark.parametrize(("length", "is_repeated"), [(254, True), (255, False), (5000, False)])
def test_only_a_small_value_is_repeated(server, length, is_repeated):
    text = "x" * length
    wanted = problem(DICT, "filter_metadata", input=text if is_repeated else NOT_REPEATED)
    check(server, *list_checkpoints(filter_metadata=text), wanted)


# MARK: values that JSON has and a store has not


def text_body(call, text):
    """A body spelled by hand, for what json.dumps would not write."""
    return call, text.encode()


PUT_TEXT = '{"thread_id":"t","checkpoint_id":"c","checkpoint":%s}'
LIST_TEXT = '{"thread_id":"t","limit":%s}'
IDX_TEXT = '{"thread_id":"t","checkpoint_id":"c","writes":[{"task_id":"k","idx":%s,"channel":"a","blob":""}]}'


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_a_number_field(server, number):
    check(server, *text_body("put-writes", IDX_TEXT % number), problem(FINITE, "writes", 0, "idx"))
    check(server, *text_body("list", LIST_TEXT % number), problem(FINITE, "limit"))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_elsewhere_is_no_json(server, number):
    for text in (PUT_TEXT % number, PUT_TEXT % '{"n":%s}' % number, PUT_TEXT % '{"n":[1,%s]}' % number):
        check(server, *text_body("put", text), json_invalid(text.index(number), "Expecting value"))


def test_a_number_beyond_a_double(server):
    check(server, *text_body("put", PUT_TEXT % '{"n":1e400}'), problem(FINITE, "checkpoint"))


@pytest.mark.parametrize("blob", ["a", "aG", "aGVsbG8", "aGVsbG8==", "=", "aG==bG8=", "-_-_", "Zh==", "a!Gk", "aGké"])
def test_a_blob_that_is_no_base64(server, blob):
    """The answer never repeats a blob."""
    check(server, *put_write(blob=blob), value_error(BASE64, "writes", 0, "blob"))
    check(server, *put_blob(blob=blob), value_error(BASE64, "blobs", 0, "blob"))


IDENTIFIERS = [
    (put, ["thread_id"]),
    (put, ["checkpoint_ns"]),
    (put, ["checkpoint_id"]),
    (put, ["parent_checkpoint_id"]),
    (put_blob, ["blobs", 0, "channel"]),
    (put_blob, ["blobs", 0, "version"]),
    (put_blob, ["blobs", 0, "type"]),
    (put_writes, ["thread_id"]),
    (put_writes, ["checkpoint_ns"]),
    (put_writes, ["checkpoint_id"]),
    (put_write, ["writes", 0, "task_id"]),
    (put_write, ["writes", 0, "channel"]),
    (put_write, ["writes", 0, "type"]),
    (put_write, ["writes", 0, "task_path"]),
    (get_tuple, ["thread_id"]),
    (get_tuple, ["checkpoint_ns"]),
    (get_tuple, ["checkpoint_id"]),
    (list_checkpoints, ["thread_id"]),
    (list_checkpoints, ["checkpoint_ns"]),
    (list_checkpoints, ["before_checkpoint_id"]),
]


@pytest.mark.parametrize(("make", "loc"), IDENTIFIERS)
def test_nul_in_an_identifier(server, make, loc):
    call, body = make(**{loc[-1]: "a\0b"})
    check(server, call, body, value_error(NUL, *loc, input="a\0b"))


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc00\ud800"], ids=ascii)
@pytest.mark.parametrize(("make", "loc"), IDENTIFIERS)
def test_lone_surrogate_in_an_identifier(server, make, loc, text):
    call, body = make(**{loc[-1]: text})
    check(server, call, body, problem(UNICODE, *loc, input=text))


OVER_LONG = "x" * (KEY_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "loc"),
    [
        (put, ["thread_id"]),
        (put, ["checkpoint_ns"]),
        (put, ["checkpoint_id"]),
        (put_blob, ["blobs", 0, "channel"]),
        (put_blob, ["blobs", 0, "version"]),
        (put_writes, ["thread_id"]),
        (put_writes, ["checkpoint_ns"]),
        (put_writes, ["checkpoint_id"]),
        (put_write, ["writes", 0, "task_id"]),
    ],
)
def test_an_over_long_key(server, make, loc):
    call, body = make(**{loc[-1]: OVER_LONG})
    check(server, call, body, too_long(*loc))


def test_the_longest_key_is_taken(server):
    for length, status in ((KEY_BYTES, 200), (KEY_BYTES + 1, 422)):
        body = {**PUT, "thread_id": "x" * (length - 1 - len("c")), "checkpoint_ns": "n"}
        assert wire.post(server.port, "/checkpoints/put", body).status == status
        wire.post(server.port, "/checkpoints/delete-thread", {"thread_id": body["thread_id"]})
