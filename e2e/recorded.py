"""The recorded cases: what was sent to a correct server, and what it answered.

A case names the earlier cases that must run first, and expects a status (any of several) and, where recorded, the
errors of a 422, the `allow` header, the body, or the digest of a large body. Bodies are compared as data: the order of
an object's members is free; two numbers are equal when their exact values or their doubles are; a tuple's blobs and
pending writes, and list items with equal checkpoint ids, are compared without regard to order.
"""

import base64
import hashlib
import itertools
import json
import sys
from decimal import Decimal
from pathlib import Path

import wire
from server import REPOSITORY

CASES_FILE = REPOSITORY / "e2e/golden/recorded.jsonl"
UNORDERED_MEMBERS = ("blobs", "pending_writes")
# Beyond this, a body is only read for its thread when that is not the default one; no recorded body is.
LARGE_BODY = 1_000_000
DEFAULT_THREAD = "t1"

# Some cases nest a thousand levels deep, and Python's own reader and the comparison below both recurse.
sys.setrecursionlimit(20_000)


def load_cases(path: Path = CASES_FILE):
    """Every case by its name, in the order recorded."""
    with open(path, encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    return {case["name"]: case for case in cases}


# MARK: sending


def run(port, case):
    """Sends a case, as often as it says, and gives the last answer."""
    if "repeat" not in case:
        return send(port, case, request_body(case))
    return [send(port, case, request_body(case, number)) for number in range(case["repeat"])][-1]


def send(port, case, body):
    """One request on a connection of its own, with the recorded headers and no others."""
    method, headers = case["method"], {"host": f"127.0.0.1:{port}", **case["headers"]}
    if headers.get("transfer-encoding") == "chunked":
        payload = wire.chunked(body[: len(body) // 2], body[len(body) // 2 :])
    else:
        payload = body or b""
        if body is not None or method == "POST":
            headers["content-length"] = len(payload)
    start = wire.head(method, case["path"], headers, case.get("http_version", "1.1"))
    return wire.exchange(port, start + payload, method)


def request_body(case, number=None):
    """The bytes of a case's body, or None; `number` fills a repeated case's `@I@`."""
    if "body_base64" in case:
        return base64.b64decode(case["body_base64"])
    if "body_gen" in case:
        return generated_body(**case["body_gen"])
    if "body_text" not in case:
        return None
    text = case["body_text"]
    return (text if number is None else fill(text, number)).encode()


def generated_body(prefix, unit, sep, count, suffix):
    """A large body, spelled as a repeated unit."""
    return (prefix + sep.join(fill(unit, number) for number in range(count)) + suffix).encode()


def fill(text, number):
    return text.replace("@I@", f"{number:06d}")


def threads_of(case):
    """The threads a case may leave something in."""
    body = request_body(case, 0 if "repeat" in case else None)
    if body is None or len(body) > LARGE_BODY:
        return {DEFAULT_THREAD}
    try:
        thread = json.loads(body)["thread_id"]
        thread.encode()
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return set()
    return set() if "\0" in thread else {thread}


def prepare(port, cases, case):
    """Empties the threads a case and its set-up touch, then runs the set-up."""
    before = [cases[name] for name in case["setup"]]
    for thread in sorted(set().union(*map(threads_of, [case, *before]))):
        wire.post(port, "/checkpoints/delete-thread", {"thread_id": thread})
    for earlier in before:
        run(port, earlier)


# MARK: comparing


# The recorded digest is of the original server's OpenAPI document, not of the five calls' alone: see
# docs/decisions/0004. What our document says of the five calls is stated in OpenAPITests.swift.
OF_THE_WHOLE_ORIGINAL = {"ops.openapi"}


def difference(case, answer):
    """What is wrong with an answer, in words; None when it is as recorded."""
    expected = case["expect"]
    if answer.status not in expected["status"]:
        return f"status {answer.status} instead of {expected['status']}: {answer.body[:300]!r}"
    if "allow" in expected and answer.headers.get("allow") != expected["allow"]:
        return f"allow: {answer.headers.get('allow')!r} instead of {expected['allow']!r}"
    if answer.status == 204:
        return "a body with a 204" if answer.body else None
    if answer.status == 422:
        return errors_difference(expected.get("errors"), answer.body)
    if answer.status == 200 and case["name"] not in OF_THE_WHOLE_ORIGINAL:
        return body_difference(case["path"], expected, answer.body)
    return None


def errors_difference(expected, body):
    """A 422 is an HTTPValidationError, with the recorded types and places where there are any."""
    try:
        found = [(problem["type"], problem["loc"]) for problem in json.loads(body)["detail"]]
        assert all(isinstance(problem["msg"], str) for problem in json.loads(body)["detail"])
    except (ValueError, TypeError, LookupError, AssertionError):
        return f"not an HTTPValidationError: {body[:300]!r}"
    if not found:
        return "a 422 without a problem"
    if expected is None:
        return None
    # Where exactly malformed JSON goes wrong is the parser's to say.
    found = [(kind, place[:1] if kind == "json_invalid" else place) for kind, place in found]
    wanted = [(problem["type"], problem["loc"]) for problem in expected]
    return None if found == wanted else f"errors {found} instead of {wanted}"


def body_difference(path, expected, body):
    """A 200's body equals the recorded one, or hashes to the recorded digest."""
    try:
        if "body" in expected:
            same = same_body(path, exact(expected["body"]), exact(body))
        elif "canonical_sha256" in expected:
            same = canonical_sha256(body) == expected["canonical_sha256"]
        else:
            same = True
    except ValueError as problem:
        return f"not JSON ({problem}): {body[:300]!r}"
    return None if same else f"body {body[:600]!r} instead of {expected.get('body', 'the recorded one')[:600]!r}"


def exact(text):
    """JSON with every number's digits kept."""
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def canonical_sha256(body):
    """The digest of JSON with sorted members, no space and only ASCII."""
    text = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def same_body(path, expected, found):
    """Whether two bodies say the same, knowing which of their arrays have no order."""
    if "/get-tuple" in path and isinstance(expected, dict) and isinstance(found, dict):
        return same_tuple(expected, found)
    if "/list" in path and isinstance(expected, list) and isinstance(found, list):
        return same_page(expected, found)
    return same(expected, found)


def same_tuple(expected, found):
    """Two checkpoint tuples, their blobs and writes as sets."""
    if expected.keys() != found.keys():
        return False
    return all(
        (same_set if name in UNORDERED_MEMBERS else same)(value, found[name]) for name, value in expected.items()
    )


def same_page(expected, found):
    """Two lists of checkpoints, those with one id (in several namespaces) in any order."""
    if len(expected) != len(found):
        return False
    by_id = [[list(group) for _, group in itertools.groupby(page, checkpoint_id)] for page in (expected, found)]
    return len(by_id[0]) == len(by_id[1]) and all(map(same_set, *by_id))


def checkpoint_id(item):
    return item["checkpoint_id"]


def same_set(expected, found):
    """Whether each expected element has one of its own among the found ones, and none is left over."""
    if not isinstance(expected, list) or not isinstance(found, list) or len(expected) != len(found):
        return same(expected, found)
    left = list(found)
    for element in expected:
        match = next((place for place, other in enumerate(left) if same(element, other)), None)
        if match is None:
            return False
        del left[match]
    return True


def same(expected, found):
    """Whether two JSON values are equal: a boolean is no number, and 1 equals 1.0."""
    if isinstance(expected, Decimal) and isinstance(found, Decimal):
        return expected == found or float(expected) == float(found)
    if type(expected) is not type(found):
        return False
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(same(value, found[name]) for name, value in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return expected == found
