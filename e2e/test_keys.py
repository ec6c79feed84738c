"""API keys from outside: made, used and misused."""

import hashlib
import json
import re

import pytest

import wire
from security import (
    ALL_SCOPES,
    Caller,
    KeysFile,
    assert_no_credential,
    assert_status,
    assert_unauthorized,
    b64,
    bearer,
    checkpoint,
    fill,
    new_thread,
)

KEY = re.compile(r"mlp_[A-Za-z0-9_]{40,}")
HEADERS = {
    "authorization": lambda key: f"Bearer {key}",
    "x-api-key": lambda key: key,
    "x-agent-api-key": lambda key: key,
}
# Paths that anybody may ask, so that a load balancer and a code generator can.
OPEN_PATHS = ("/healthz", "/readyz", "/openapi.json", "/inspector")
WRITE = {"task_id": "t", "idx": 0, "channel": "c", "blob": b64(b"hi")}
WRITES = {"thread_id": "t", "checkpoint_id": "c1", "writes": [WRITE]}
COPY = {"source_thread_id": "t", "target_thread_id": "t2"}

# What each call needs, with a request that is good otherwise.
NEEDS = {
    ("POST", "/checkpoints/get-tuple"): ("read", {"thread_id": "t"}),
    ("POST", "/checkpoints/list"): ("read", {"thread_id": "t"}),
    ("POST", "/checkpoints/delta-channel-history"): ("read", {"thread_id": "t", "channels": ["c"]}),
    ("GET", "/threads"): ("read", None),
    ("GET", "/threads/{thread_id}"): ("read", None),
    ("GET", "/threads/{thread_id}/events"): ("read", None),
    ("POST", "/checkpoints/put"): ("write", checkpoint("t")),
    ("POST", "/checkpoints/put-writes"): ("write", WRITES),
    ("POST", "/checkpoints/copy-thread"): ("write", COPY),
    ("POST", "/checkpoints/delete-thread"): ("delete", {"thread_id": "t"}),
    ("POST", "/checkpoints/delete-for-runs"): ("delete", {"run_ids": ["r"]}),
    ("POST", "/checkpoints/prune"): ("delete", {"thread_ids": ["t"]}),
    ("GET", "/threads/{thread_id}/retention"): ("read", None),
    ("PUT", "/threads/{thread_id}/retention"): ("delete", {"hold": True}),
    ("GET", "/inspector/caller"): ("read", None),
    ("POST", "/inspector/history"): ("read", {"thread_id": "t"}),
    ("POST", "/inspector/checkpoint"): ("read", {"thread_id": "t"}),
    ("POST", "/inspector/difference"): ("read", {"thread_id": "t"}),
    ("POST", "/inspector/sizes"): ("read", {"thread_id": "t"}),
}


@pytest.fixture
def keys(tmp_path):
    return KeysFile(tmp_path / "keys.json")


@pytest.fixture
def serve(start_server, keys):
    """Starts a server that takes the keys of the file."""
    return lambda store="memory:", *options: start_server(store, "--api-keys-file", str(keys.path), *options)


def ask(caller, method, path, body):
    return caller.client.request(method, path.replace("{thread_id}", "t"), json=body)


# MARK: made


def test_a_key_is_random_and_is_not_kept(keys, tmp_path):
    made = [keys.create("acme", note=f"number {number}") for number in range(5)]
    assert len(set(made)) == 5
    assert all(KEY.fullmatch(key) for key in made)
    # Nothing that could be used as a key is in the file, nor a piece of one that would shorten guessing.
    text = keys.path.read_text()
    for key in made:
        secret = key.removeprefix("mlp_")
        assert not any(secret[at : at + 12] in text for at in range(len(secret) - 12))
    assert keys.path.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_the_list_shows_no_key(keys):
    made = keys.create("acme", note="for the agents")
    for shown in (keys.run("list").stdout, keys.run("list", "--json").stdout):
        assert "for the agents" in shown and "acme" in shown
        assert made not in shown and made.removeprefix("mlp_")[:12] not in shown
        assert hashlib.sha256(made.encode()).hexdigest() not in shown
    [listed] = keys.list()
    assert listed["tenant"] == "acme" and set(listed["scopes"]) == set(ALL_SCOPES.split(","))


@pytest.mark.parametrize(
    "arguments", [["--scopes", "root"], ["--scopes", ""], ["--expires", "soon"], ["--expires", "0d"], ["--expires=-1d"]],
    ids=" ".join,
)
def test_a_key_that_cannot_be_is_not_made(keys, arguments):
    ended = keys.run("create", *arguments)
    assert ended.returncode == 64 and ended.stdout == "" and not keys.path.exists()


# MARK: used


@pytest.mark.parametrize("header", HEADERS)
def test_a_key_is_taken_in_each_header(serve, keys, header):
    key = keys.create("acme")
    with Caller(serve(), {header: HEADERS[header](key)}) as caller:
        thread = new_thread()
        fill(caller, thread)
        assert caller.do("get-tuple", {"thread_id": thread})["checkpoint_id"] == "c3"


def test_the_scheme_is_a_word_of_any_case(serve, keys):
    key = keys.create()
    server = serve()
    for word in ("bearer", "BEARER", "Bearer"):
        with Caller(server, {"authorization": f"{word} {key}"}) as caller:
            assert_status(caller.call("get-tuple", {"thread_id": "t"}), 200)


def wrong_keys(key, revoked):
    """Texts that are not the key, of which some nearly are."""
    middle = len(key) // 2
    return {
        "revoked": revoked,
        "truncated": key[:-1],
        "longer": key + "0",
        "twice": key + key,
        "last character": key[:-1] + ("0" if key[-1] != "0" else "1"),
        "middle character": key[:middle] + ("0" if key[middle] != "0" else "1") + key[middle + 1 :],
        "other case": key[:4] + key[4:].swapcase(),
        "no prefix": key.removeprefix("mlp_"),
        "the prefix": "mlp_",
        "upper prefix": "MLP_" + key.removeprefix("mlp_"),
        "hash": hashlib.sha256(key.encode()).hexdigest(),
        "long": "mlp_" + "0" * 8000,
        "quotes": "mlp_' OR '1'='1",
        "percent": "mlp_%",
        "path": "mlp_../../keys.json",
        "quoted": f'"{key}"',
    }


def test_what_is_not_the_key_is_refused(serve, keys):
    key, gone = keys.create(note="good"), keys.create(note="gone")
    keys.revoke(keys.id_of("gone"))
    server = serve()
    for name, wrong in wrong_keys(key, gone).items():
        for header in ("authorization", "x-api-key"):
            answer = wire.post(
                server.port, "/checkpoints/get-tuple", {"thread_id": "t"}, **{header: HEADERS[header](wrong)}
            )
            assert answer.status in (401, 429), f"{name} in {header}: {answer.status}"
            if answer.status == 401 and name in ("revoked", "truncated", "longer", "last character", "quotes", "the prefix"):
                assert answer.json() == {"detail": "Unauthorized"}, name
                assert answer.headers["www-authenticate"] == "Bearer"
    assert wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": "t"}, x_api_key=key).status == 200


def test_other_keys_of_the_file_are_not_the_hash(serve, keys):
    """Whoever reads the file cannot get in with what stands in it."""
    keys.create(note="good")
    texts = set(re.findall(r'"([^"]{8,})"', keys.path.read_text()))
    server = serve()
    for text in sorted(texts):
        for wrong in (text, f"mlp_{text}"):
            assert wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": "t"}, x_api_key=wrong).status in (401, 429)


def test_two_keys_in_one_request_are_refused(serve, keys):
    first, second = keys.create("acme"), keys.create("other")
    server = serve()
    body = {"thread_id": "t"}
    for headers in (
        {"authorization": f"Bearer {first}", "x-api-key": second},
        {"x-api-key": first, "x-agent-api-key": second},
        {"x-agent-api-key": first, "authorization": f"Bearer {second}"},
        {"x-api-key": first, "x-agent-api-key": "mlp_wrong"},
        {"authorization": "Bearer mlp_wrong", "x-api-key": first},
    ):
        with Caller(server, headers) as caller:
            assert_unauthorized(caller.call("get-tuple", body))
    for name in ("x-api-key", "authorization"):
        lines = f"{name}: {HEADERS[name](first)}\r\n{name}: {HEADERS[name](second)}\r\n"
        data = json.dumps(body)
        head = f"POST /checkpoints/get-tuple HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n{lines}"
        request = f"{head}content-length: {len(data)}\r\n\r\n{data}"
        assert wire.exchange(server.port, request.encode()).status == 401


def test_the_same_key_twice_is_one_key(serve, keys):
    key = keys.create()
    with Caller(serve(), {**bearer(key), "x-api-key": key, "x-agent-api-key": key}) as caller:
        assert_status(caller.call("get-tuple", {"thread_id": "t"}), 200)


# MARK: none


def test_without_a_key_nothing_is_said(serve, keys):
    keys.create()
    requests = [*NEEDS, *(("GET", path) for path in ("/", "/nothing", "/checkpoints/put/", "/metrics", "/threads/", "/docs"))]
    requests += [(method, "/checkpoints/put") for method in ("GET", "PUT", "DELETE", "PATCH")]
    server = serve("memory:", "--behind-tls-proxy")
    for number, (method, path) in enumerate(requests):
        # Each from an address of its own: so many failures of one would be throttled.
        with Caller(server, {"x-forwarded-for": f"192.0.2.{number}"}) as nobody:
            assert_no_credential(ask(nobody, method, path, {}))


def test_what_is_open_is_open(serve, keys):
    keys.create()
    for headers in ({}, bearer("mlp_wrong"), {"x-api-key": "wrong"}):
        with Caller(serve(), headers) as caller:
            for path in OPEN_PATHS:
                assert_status(caller.get(path), 200)


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/../threads", "/healthz/%2e%2e/threads", "//threads", "/threads?x=/healthz", "/healthz/threads",
        "/threads;/healthz", "/healthz%2f..%2fthreads", "/THREADS", "/threads#/healthz", "/healthz?/../threads",
        "/openapi.json/../checkpoints/list",
    ],
)
def test_no_path_leads_around(serve, keys, path):
    """A path that begins like an open one is not open."""
    keys.create()
    server = serve()
    request = wire.head("GET", path, {"host": "h", "connection": "close"})
    answer = wire.exchange(server.port, request, "GET")
    assert answer.status in (400, 401, 404) or b"threads" not in answer.body, (answer.status, answer.body)
    absolute = wire.head("GET", f"http://h{path}", {"host": "h", "connection": "close"})
    answer = wire.exchange(server.port, absolute, "GET")
    assert answer.status in (400, 401, 404) or b"threads" not in answer.body, (answer.status, answer.body)


@pytest.mark.parametrize("value", ["Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer ", "Digest x", "", "mlp_", "Bearer\tx"])
def test_another_authorization_is_refused(serve, keys, value):
    keys.create()
    answer = wire.post(serve().port, "/checkpoints/get-tuple", {"thread_id": "t"}, authorization=value)
    assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer"


# MARK: scopes and prefixes


def test_every_endpoint_needs_its_scope(serve, keys):
    """With every scope but that one it is 403; and nothing was done."""
    lacking = {scope: [s for s in ALL_SCOPES.split(",") if s != scope] for scope in ("read", "write", "delete")}
    made = {scope: keys.create(scopes=",".join(others)) for scope, others in lacking.items()}
    whole = keys.create()
    server = serve()
    with Caller.with_key(server, whole) as owner:
        fill(owner, "t", run_id="r")
        document = owner.get("/openapi.json").json()
        served = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
        assert served == NEEDS.keys()
        before = owner.do("list", {"across_threads": True})
        for (method, path), (scope, body) in NEEDS.items():
            with Caller.with_key(server, made[scope]) as caller:
                answer = assert_status(ask(caller, method, path, body), 403)
                assert scope in answer.json()["detail"]
        assert owner.do("list", {"across_threads": True}) == before


def test_copying_needs_to_read_too(serve, keys):
    """A key that may only write must not carry a thread's content to where it is read with another."""
    writer = keys.create(scopes="write")
    with Caller.with_key(serve(), writer) as caller:
        assert_status(caller.call("copy-thread", COPY), 403)


SPANNING = [
    ("POST", "/checkpoints/list", {"across_threads": True}),
    ("POST", "/checkpoints/delete-for-runs", {"run_ids": ["r"]}),
    ("GET", "/threads", None),
]
OUTSIDE = "team-b/1"


def outside_requests():
    """Each call on a thread that is not of the prefix `team-a/`."""
    mine = "team-a/1"
    return [
        ("get-tuple", {"thread_id": OUTSIDE}),
        ("list", {"thread_id": OUTSIDE}),
        ("list", {"thread_id": OUTSIDE, "across_threads": True}),
        ("put", checkpoint(OUTSIDE)),
        ("put", checkpoint(OUTSIDE, expected_head=None)),
        ("put-writes", {**WRITES, "thread_id": OUTSIDE}),
        ("delete-thread", {"thread_id": OUTSIDE}),
        ("copy-thread", {"source_thread_id": OUTSIDE, "target_thread_id": f"{mine}-copy"}),
        ("copy-thread", {"source_thread_id": mine, "target_thread_id": f"{OUTSIDE}-copy"}),
        ("prune", {"thread_ids": [mine, OUTSIDE], "strategy": "delete"}),
        ("prune", {"thread_ids": [OUTSIDE], "dry_run": True}),
        ("delta-channel-history", {"thread_id": OUTSIDE, "channels": ["c"]}),
    ]


def test_a_prefix_bounds_the_threads(serve, keys):
    whole, bound = keys.create("acme"), keys.create("acme", thread_prefix="team-a/")
    server = serve()
    with Caller.with_key(server, whole) as owner, Caller.with_key(server, bound) as caller:
        for thread in ("team-a/1", OUTSIDE):
            fill(owner, thread, run_id="r")
        before = owner.do("list", {"across_threads": True})
        refused = [caller.call(name, body) for name, body in outside_requests()]
        refused += [ask(caller, *request) for request in SPANNING]
        refused.append(caller.get("/threads/team-b%2F1"))
        refused.append(ask(caller, "POST", "/inspector/sizes", {"thread_id": OUTSIDE}))
        assert {answer.status_code for answer in refused} == {403}, [answer.text for answer in refused]
        assert owner.do("list", {"across_threads": True}) == before
        # The answer does not depend on whether the thread is there.
        exists, missing = (caller.call("get-tuple", {"thread_id": name}) for name in (OUTSIDE, "team-b/2"))
        assert exists.content == missing.content.replace(b"team-b/2", b"team-b/1")
        assert caller.do("get-tuple", {"thread_id": "team-a/1"})["checkpoint_id"] == "c3"
        assert_status(caller.get("/threads/team-a%2F1"), 200)
        caller.do("delete-thread", {"thread_id": "team-a/1"})


@pytest.mark.parametrize("thread", ["TEAM-A/1", "team-a", " team-a/1", "team-A/1", "team-a%2F1", "\u200bteam-a/1", "tëam-a/1"])
def test_a_prefix_is_compared_as_it_is(serve, keys, thread):
    key = keys.create(thread_prefix="team-a/")
    with Caller.with_key(serve(), key) as caller:
        assert_status(caller.call("get-tuple", {"thread_id": thread}), 403)
