"""What is taken for a whole number or a boolean: pydantic itself is asked, and the server must say the same.

Two rules are the API's own: `idx` is a 32-bit integer, and NaN or Infinity never reaches pydantic.
"""

import json
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

import wire

INT32 = range(-(2**31), 2**31)

WHOLE_NUMBERS = [
    *("0", "-0", "1", "-1", "2", "7", "100", "999", "1000", "1001", "2147483647", "-2147483648"),
    *("1.0", "-1.0", "1000.0", "1e0", "1e2", "1E3", "1e3", "10e-1", "0.0", "-0.0", "1.00000", "12e1", "2147483647.0"),
    *("0.5", "1.5", "-1.5", "1e-1", "1e-400", "0.1e1", "999.9999", "1.0000000000000001", "1.0000000000000002"),
]
WORDS = [
    *("true", "false", "null", "[]", "{}", "[1]", '{"a":1}', "[true]"),
    *('""', '" "', '"1"', '"0"', '"-1"', '"+1"', '" 1 "', '"\\t1\\n"', '"1 2"', '"1_000"', '"1__0"', '"_1"', '"1_"'),
    *('"007"', '"00"', '"-0"', '"+0"', '"1.0"', '"1.00"', '"1."', '".0"', '"1.5"', '"1e2"', '"1E2"', '"0x10"', '"0b1"'),
    *('"0o7"', '"1,000"', '"--1"', '"+-1"', '"- 1"', '"+ 1"', '"1-"', '"1000"', '"1001"', '"999.0"'),
    *('"1_0.0"', '"1.0_0"'),
    *('"NaN"', '"nan"', '"inf"', '"Infinity"', '"null"', '"None"', '"one"', '"\\u0661"', '"\\uff11"', '"\\u00a01"'),
    *('"\\u20031\\u2003"', '"1\\u0000"', '"\\u00001"', '"1\\u2028"', '"²"', '"½"', '"1\\u200b"'),
    *('"\\ufeff1"', '"\\u001f1"'),
    *('"true"', '"True"', '"TRUE"', '"tRuE"', '"t"', '"T"', '"yes"', '"YES"', '"y"', '"Y"', '"on"', '"On"', '"ON"'),
    *('"false"', '"False"', '"FALSE"', '"f"', '"F"', '"no"', '"No"', '"n"', '"N"', '"off"', '"OFF"', '"oFF"'),
    *('" true"', '"true "', '"tr ue"', '"yess"', '"ye"', '"onn"', '"of"', '"si"', '"ja"', '"01"', '"10"', '"2"'),
    *('"ｔｒｕｅ"', '"TRÜE"', '"\\u212a"', '"oﬀ"', '"ye\\u017f"', '"\\u0130"'),
]
LARGE = ["1e10", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "1e18", "1e19", "1e100"]
LARGE_TEXT = ['"2147483648"', '"9223372036854775808"', '"99999999999999999999999999"', '"-99999999999999999999999999"']
SCALARS = list(dict.fromkeys([*WHOLE_NUMBERS, *WORDS, *LARGE, *LARGE_TEXT]))

Limit = TypeAdapter(Annotated[int, Field(ge=1, le=1000)])
WholeNumber = TypeAdapter(int)
Boolean = TypeAdapter(bool)


def pydantic_says(adapter, text):
    """The value pydantic makes of a scalar, and its problems without their inputs and places."""
    try:
        return adapter.validate_python(json.loads(text)), []
    except ValidationError as refused:
        found = refused.errors(include_url=False, include_input=False)
        return None, [{name: problem[name] for name in problem if name != "loc"} for problem in found]


def server_says(server, call, text):
    """The status, and the problems without their inputs and places; `text` is a whole body."""
    answer = wire.post(server.port, f"/checkpoints/{call}", text.encode())
    if answer.status != 422:
        return answer.status, [], []
    problems = answer.json()["detail"]
    found = [{name: problem[name] for name in problem if name not in ("loc", "input")} for problem in problems]
    return 422, found, [problem["loc"] for problem in problems]


def test_there_are_enough():
    assert len(SCALARS) > 150


@pytest.mark.parametrize("scalar", SCALARS)
def test_idx(server, thread_id, scalar):
    value, problems = pydantic_says(WholeNumber, scalar)
    body = '{"thread_id":"%s","checkpoint_id":"c","writes":[{"task_id":"k","idx":%s,"channel":"a","blob":""}]}'
    status, found, places = server_says(server, "put-writes", body % (thread_id, scalar))
    if value is not None and value not in INT32:
        assert (status, found[0]["type"]) == (422, "less_than_equal" if value > 0 else "greater_than_equal")
    elif problems:
        assert (status, found, places) == (422, problems, [["body", "writes", 0, "idx"]])
    else:
        assert status == 204
        assert stored_write(server, thread_id)["idx"] == value


def stored_write(server, thread_id):
    """The one write under the thread's checkpoint `c`."""
    body = {"thread_id": thread_id, "checkpoint_id": "c", "checkpoint": {}}
    assert wire.post(server.port, "/checkpoints/put", body).status == 200
    [write] = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id}).json()["pending_writes"]
    return write


@pytest.mark.parametrize("scalar", SCALARS)
def test_limit(server, thread_id, scalar):
    _, problems = pydantic_says(Limit, scalar)
    status, found, places = server_says(server, "list", '{"thread_id":"%s","limit":%s}' % (thread_id, scalar))
    wanted = (422, problems, [["body", "limit"]]) if problems else (200, [], [])
    assert (status, found, places) == wanted


UPSERT_TEXT = (
    '{"thread_id":"THREAD","checkpoint_id":"c","upsert":%s,"writes":[{"task_id":"k","idx":0,"channel":"%s","blob":""}]}'
)


@pytest.mark.parametrize("scalar", SCALARS)
def test_upsert(server, thread_id, scalar):
    value, problems = pydantic_says(Boolean, scalar)
    body = UPSERT_TEXT.replace("THREAD", thread_id)
    assert server_says(server, "put-writes", body % ("false", "first"))[0] == 204
    status, found, places = server_says(server, "put-writes", body % (scalar, "second"))
    if problems:
        assert (status, found, places) == (422, problems, [["body", "upsert"]])
    else:
        assert status == 204
        assert stored_write(server, thread_id)["channel"] == ("second" if value else "first")
