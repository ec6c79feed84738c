"""What a 422 says: pydantic 2's words in FastAPI's form, and bodies to change one field of."""

import wire

# Words of our own, where pydantic has none: blobs, identifiers, keys.
BASE64 = "Blobs are base64 as in RFC 4648 section 4, with padding"
NUL = "Identifiers cannot contain NUL characters"
KEY_BYTES = 2640
KEY_TOO_LONG = f"The identifiers of a key should have at most {KEY_BYTES} bytes together"
TOO_DEEP = "Too many nested containers"
INVALID_UTF8 = "Invalid UTF-8"

# Pydantic's words.
MISSING = ("missing", "Field required")
STRING = ("string_type", "Input should be a valid string")
UNICODE = ("string_unicode", "Input should be a valid string, unable to parse raw data as a unicode string")
LIST = ("list_type", "Input should be a valid list")
DICT = ("dict_type", "Input should be a valid dictionary")
MODEL = ("model_attributes_type", "Input should be a valid dictionary or object to extract fields from")
INT = ("int_type", "Input should be a valid integer")
INT_TEXT = ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
INT_FRACTION = ("int_from_float", "Input should be a valid integer, got a number with a fractional part")
FINITE = ("finite_number", "Input should be a finite number")
BOOL = ("bool_type", "Input should be a valid boolean")
BOOL_TEXT = ("bool_parsing", "Input should be a valid boolean, unable to interpret input")

NOT_REPEATED = object()


def problem(kind, *loc, input=NOT_REPEATED, ctx=None):
    """One entry of `detail`."""
    found = {"type": kind[0], "loc": ["body", *loc], "msg": kind[1]}
    if input is not NOT_REPEATED:
        found["input"] = input
    if ctx is not None:
        found["ctx"] = ctx
    return found


def value_error(text, *loc, input=NOT_REPEATED):
    """What pydantic makes of a validator's ValueError."""
    return problem(("value_error", f"Value error, {text}"), *loc, input=input, ctx={"error": text})


def at_least(bound, *loc, input):
    kind = ("greater_than_equal", f"Input should be greater than or equal to {bound}")
    return problem(kind, *loc, input=input, ctx={"ge": bound})


def at_most(bound, *loc, input):
    kind = ("less_than_equal", f"Input should be less than or equal to {bound}")
    return problem(kind, *loc, input=input, ctx={"le": bound})


def too_long(*loc):
    return problem(("string_too_long", KEY_TOO_LONG), *loc, ctx={"max_length": KEY_BYTES})


def json_invalid(offset, error):
    return problem(("json_invalid", "JSON decode error"), offset, input={}, ctx={"error": error})


PUT = {"thread_id": "t", "checkpoint_id": "c", "checkpoint": {}}
BLOB = {"channel": "a", "version": "1", "type": "t", "blob": "aGk="}
PUT_WRITES = {"thread_id": "t", "checkpoint_id": "c", "writes": []}
WRITE = {"task_id": "k", "idx": 0, "channel": "a", "blob": "aGk="}


def put(**changes):
    return "put", {**PUT, **changes}


def put_blob(**changes):
    return put(blobs=[{**BLOB, **changes}])


def put_writes(**changes):
    return "put-writes", {**PUT_WRITES, **changes}


def put_write(**changes):
    return put_writes(writes=[{**WRITE, **changes}])


def get_tuple(**changes):
    return "get-tuple", {"thread_id": "t", **changes}


def list_checkpoints(**changes):
    return "list", {"thread_id": "t", **changes}


def check(server, call, body, *problems, **headers):
    """The answer is a 422 with exactly these problems, in this order."""
    answer = wire.post(server.port, f"/checkpoints/{call}", body, **headers)
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"detail": list(problems)}
