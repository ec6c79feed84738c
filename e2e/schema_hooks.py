"""What schemathesis cannot know of the API, as hooks of its own: it loads this file as SCHEMATHESIS_HOOKS says.

A document cannot say that a text is base64, that a cursor came from a page before, or how many bytes a key may have;
and it says "boolean" where pydantic's lax mode takes 0 too. So two of schemathesis' complaints are looked at again here:
a refusal counts as right when each of its problems is such a rule and stands where it says, and an accepted body when
the lax reading of the same schema accepts it.
"""

import base64
import json
import os
import re
import zlib

import jsonschema
import schemathesis

from refusals import BASE64, KEY_TOO_LONG, NUL

CURSOR = "A cursor comes from the header x-next-cursor of the page before"
NO_PIN = "The thread has no such checkpoint"
# type and words of the problems with a body that satisfies the document.
BEYOND_THE_DOCUMENT = {
    ("value_error", f"Value error, {BASE64}"),
    ("value_error", f"Value error, {NUL}"),
    ("value_error", f"Value error, {CURSOR}"),
    ("value_error", f"Value error, {NO_PIN}"),
    ("string_too_long", KEY_TOO_LONG),
    ("less_than_equal", f"Input should be less than or equal to {2**31 - 1}"),
    ("greater_than_equal", f"Input should be greater than or equal to {-(2**31)}"),
}
ACCEPTED_NEGATIVE = "negative_data_rejection"
REJECTED_POSITIVE = "positive_data_acceptance"
IGNORED_AUTH = "ignored_auth"

# MARK: what is sent

THREADS = ("t", "t2", "t3")
CHECKPOINTS = ("c1", "c2", "c3")
FIELDS = {
    **dict.fromkeys(("thread_id", "source_thread_id", "target_thread_id", "thread_ids"), THREADS),
    **dict.fromkeys(("checkpoint_id", "from_checkpoint_id", "expected_head", "pin"), CHECKPOINTS),
}


def few(text, names):
    """One of the names for most texts, so that what is stored is met again."""
    number = zlib.crc32(text.encode("utf-8", "surrogatepass")) % 8
    return text if number == 7 else names[number % len(names)]


def is_base64(text):
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except ValueError:
        return False


def encoded(text):
    """Base64 for most texts that are none."""
    raw = text.encode("utf-8", "surrogatepass")
    return text if is_base64(text) or zlib.crc32(raw) % 8 == 7 else base64.b64encode(raw).decode()


def in_reach(value, name=None):
    """The same with texts that mostly reach further than the first check."""
    if isinstance(value, dict):
        return {key: in_reach(found, key) for key, found in value.items()}
    if isinstance(value, list):
        return [in_reach(found, name) for found in value]
    if not isinstance(value, str):
        return value
    if name in FIELDS:
        return few(value, FIELDS[name])
    return encoded(value) if name == "blob" else value


@schemathesis.hook
def map_body(context, body):
    return in_reach(body) if isinstance(body, dict) else body


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return in_reach(path_parameters) if isinstance(path_parameters, dict) else path_parameters


# MARK: what is accepted

INTEGER = re.compile(r"\s*[+-]?[0-9]+(_[0-9]+)*(\.0*)?\s*")
WORDS = {"0", "1", "off", "on", "f", "t", "false", "true", "n", "y", "no", "yes"}


def is_lax_integer(_, value):
    if isinstance(value, str):
        return INTEGER.fullmatch(value) is not None
    return isinstance(value, bool | int) or isinstance(value, float) and value.is_integer()


def is_lax_boolean(_, value):
    return isinstance(value, bool) or value in (0, 1) or isinstance(value, str) and value.lower() in WORDS


LaxValidator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": is_lax_integer, "boolean": is_lax_boolean}
    ),
)


def sent(response):
    """The body as it was sent; None for what is no JSON."""
    try:
        return json.loads(response.request.body or b"")
    except ValueError:
        return None


def is_lax_body(document, operation, body):
    """Whether pydantic would take the body for the call, with its thread left out where it asks about all."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema is None or not isinstance(body, dict):
        return False
    if body.get("across_threads") in (True, 1) and body.get("thread_id") is None:
        body = {**body, "thread_id": ""}
    return LaxValidator({**schema, "components": document["components"]}).is_valid(body)


# MARK: what is refused


def problems(response):
    """The problems of a 422; None for another answer."""
    return response.json()["detail"] if response.status_code == 422 else None


def place(body, path):
    """What stands there; fails where nothing does."""
    for step in path:
        body = body[step]
    return body


def is_placed(problem, body):
    """Whether the problem names a place of the body that was sent, and repeats what stands there."""
    origin, *path = problem["loc"]
    if origin != "body" or problem["type"] == "json_invalid" or not path:
        return True
    try:
        if problem["type"] == "missing":
            return path[-1] not in place(body, path[:-1])
        found = place(body, path)
    except (KeyError, IndexError, TypeError):
        return False
    return "input" not in problem or problem["input"] == found


@schemathesis.check
def problems_are_in_the_body(ctx, response, case):
    """Every problem of a 422 is where it says."""
    found, body = problems(response), sent(response)
    for problem in found or []:
        assert body is None or is_placed(problem, body), f"nothing there: {problem}"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether schemathesis' complaint stands."""
    if ACCEPTED_NEGATIVE in failure.checks:
        operation = case.operation.definition.raw
        return not is_lax_body(case.operation.schema.raw_schema, operation, sent(response))
    if REJECTED_POSITIVE in failure.checks and response.status_code == 422:
        return any((found["type"], found["msg"]) not in BEYOND_THE_DOCUMENT for found in problems(response))
    # Who sends many wrong keys from one address is refused so.
    return not (IGNORED_AUTH in failure.checks and "got `429 " in failure.message)


# MARK: who gets in

# The only statuses that the caller of this run may see, if it is one whom nobody knows.
ONLY = os.environ.get("SCHEMA_ONLY", "").split()


@schemathesis.check
def nobody_gets_in(ctx, response, case):
    """A caller without a right key sees refusals alone."""
    assert not ONLY or str(response.status_code) in ONLY, f"answered {response.status_code}"
