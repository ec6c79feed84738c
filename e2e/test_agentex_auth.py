"""Behind an Agentex authorisation provider: its contract word for word, and what happens when it lies, sleeps or is gone."""

import threading
import time

import pytest

from provider import Provider, Service
from security import (
    Caller,
    KeysFile,
    assert_status,
    assert_unauthorized,
    b64,
    bearer,
    checkpoint,
    fill,
    new_thread,
    plain,
)
from server import free_port, wait_until

ADA, BOB = {"user_id": "ada", "teams": ["a", 1.50, None]}, {"user_id": "bob"}
CALLERS = {"Bearer ada": ADA, "Bearer bob": BOB}
NOT_FORWARDED = {"content-length", "host", "connection", "transfer-encoding", "expect"}
FORBIDDEN = "Forbidden \u2013 principal lacks permission"


@pytest.fixture
def provider():
    with Provider(CALLERS) as running:
        yield running


@pytest.fixture
def server(start_server, provider):
    return start_server("memory:", "--agentex-auth-url", provider.url)


def missing(thread):
    return {"message": f"Item with id '{thread}' does not exist.", "code": 404, "data": None}


def envelope(message, code):
    return {"message": message, "code": code, "data": None}


def deny(*operations):
    """A provider's decision: 403 for these."""
    return lambda principal, operation, thread: 403 if operation in operations else 200


# MARK: the contract


def test_the_caller_is_asked_about_with_its_headers(server, provider):
    headers = {
        **bearer("ada"), "Cookie": "session=1", "X-Custom": "mixed Case", "content-type": "application/json",
        "x-selected-account-id": "7",
    }
    with Caller(server, headers) as caller:
        caller.do("get-tuple", {"thread_id": "t"})
    [asked] = provider.requests_to(Provider.AUTHN)
    assert (asked.method, asked.body) == ("POST", b"")
    assert asked.header("authorization") == ["Bearer ada"]
    assert asked.header("cookie") == ["session=1"] and asked.header("x-custom") == ["mixed Case"]
    assert asked.header("x-selected-account-id") == ["7"]
    names = [name for name, _ in asked.headers]
    assert all(name == name.lower() for name in names if name.lower() not in NOT_FORWARDED)
    assert f"127.0.0.1:{server.port}" not in asked.header("host")


@pytest.mark.parametrize(
    ("name", "body", "operation"),
    [
        ("get-tuple", {}, "read"),
        ("list", {}, "read"),
        ("put", {"checkpoint_id": "c1", "checkpoint": {}}, "update"),
        ("put-writes", {"checkpoint_id": "c1", "writes": []}, "update"),
        ("delete-thread", {}, "delete"),
        ("delta-channel-history", {"channels": ["c"]}, "read"),
    ],
)
def test_each_call_is_checked(server, provider, name, body, operation):
    thread = new_thread()
    with Caller(server, bearer("ada")) as caller:
        caller.do(name, {"thread_id": thread, **body})
    [asked] = provider.requests_to(Provider.CHECK)
    assert asked.json() == {
        "principal": ADA, "resource": {"type": "task", "selector": thread}, "operation": operation,
    }
    # Word for word: a number keeps its text.
    assert b"1.5" in asked.body
    assert asked.header("content-type") == ["application/json"]
    assert asked.header("authorization") == [] and asked.header("cookie") == []


def test_a_denied_read_does_not_exist(server, provider):
    thread, absent = new_thread(), new_thread()
    with Caller(server, bearer("ada")) as ada:
        fill(ada, thread)
        provider.decide = deny("read", "update", "delete")
        for name, body in (
            ("get-tuple", {}), ("list", {}), ("put", {"checkpoint_id": "c", "checkpoint": {}}),
            ("put-writes", {"checkpoint_id": "c3", "writes": []}), ("delete-thread", {}),
            ("delta-channel-history", {"channels": ["messages"]}),
        ):
            there, nowhere = (ada.call(name, {"thread_id": asked, **body}) for asked in (thread, absent))
            assert (there.status_code, there.json()) == (404, missing(thread)), name
            status, headers, content = plain(nowhere)
            assert plain(there) == (status, headers, content.replace(absent.encode(), thread.encode()))
        assert_status(ada.get(f"/threads/{thread}"), 404)
        provider.decide = deny()
        assert ada.do("get-tuple", {"thread_id": thread})["checkpoint_id"] == "c3"


@pytest.mark.parametrize("body", [{}, {"checkpoint": "text"}, {"writes": 7}, {"limit": 0}], ids=str)
@pytest.mark.parametrize("name", ["get-tuple", "list", "put", "put-writes", "delete-thread"])
def test_a_denial_comes_before_the_shape_of_the_body(server, provider, name, body):
    """A stranger learns nothing from a 422."""
    provider.decide = deny("read", "update", "delete")
    with Caller(server, bearer("ada")) as caller:
        answer = caller.call(name, {"thread_id": "t", **body})
    assert (answer.status_code, answer.json()) == (404, missing("t"))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ({"message": "m", "error": "e"}, "m"),
        ({"error": "e", "detail": "d"}, "e"),
        ({"detail": "d"}, "d"),
        ({"description": "x"}, "x"),
        ({"only": "one"}, "one"),
        (b"plain words", "plain words"),
        (b"z" * 500, "z" * 200),
        ({}, FORBIDDEN),
        (b"", FORBIDDEN),
    ],
    ids=repr,
)
def test_a_denied_change_of_what_may_be_read(server, provider, reply, message):
    provider.decide = lambda principal, operation, thread: 200 if operation == "read" else (403, reply)
    with Caller(server, bearer("ada")) as caller:
        for name, body in (("put", {"checkpoint_id": "c", "checkpoint": {}}), ("delete-thread", {})):
            answer = caller.call(name, {"thread_id": "t", **body})
            assert (answer.status_code, answer.json()) == (403, envelope(message, 403))


@pytest.mark.parametrize(
    ("reply", "status", "message"),
    [
        ((401, {}), 401, "Unauthorized \u2013 missing or invalid credentials"),
        ((401, {"message": "log in"}), 401, "log in"),
        ((502, {}), 502, "Bad gateway"),
        ((503, {}), 503, "Service temporarily unavailable"),
        ((500, {}), 500, "Server error (status 500)"),
        ((504, {}), 500, "Server error (status 504)"),
        ((418, {}), 418, "Unexpected response status 418"),
        ((404, {}), 404, "Unexpected response status 404"),
        ((200, b"not json"), 500, "Failed to parse response"),
        ((200, b""), 500, "Failed to parse response"),
    ],
    ids=str,
)
def test_what_else_a_provider_says_of_a_thread(server, provider, reply, status, message):
    provider.decide = lambda *_: reply
    with Caller(server, bearer("ada")) as caller:
        answer = caller.call("get-tuple", {"thread_id": "t"})
        assert (answer.status_code, answer.json()) == (status, envelope(message, status))


@pytest.mark.parametrize("status", [201, 204, 202, 302])
def test_only_200_is_yes(server, provider, status):
    """Whatever such an answer is called, nothing is read."""
    provider.decide = lambda *_: (status, {"success": True}, {"location": "/v1/authn"})
    with Caller(server, bearer("ada")) as caller:
        answer = caller.call("put", checkpoint("t"))
        assert not answer.content or answer.json().get("message"), answer.text
        provider.decide = deny()
        assert caller.do("get-tuple", {"thread_id": "t"}) is None


def test_a_success_of_false_is_a_yes(server, provider):
    provider.decide = lambda *_: (200, {"success": False})
    with Caller(server, bearer("ada")) as caller:
        caller.do("put", checkpoint("t"))


@pytest.mark.parametrize(
    "reply", [(401, {}), (403, {}), (500, {}), (503, {}), (200, b""), (200, b"not json"), (404, {}), (302, {})], ids=str
)
def test_whoever_the_provider_does_not_know_is_refused(start_server, reply):
    with Service(lambda asked: (*reply, {"location": "http://127.0.0.1:1/"}) if asked.path == "/v1/authn" else (200, {})) as one:
        server = start_server("memory:", "--agentex-auth-url", one.url)
        with Caller(server, bearer("who")) as caller:
            assert_unauthorized(caller.call("get-tuple", {"thread_id": "t"}))
        assert one.requests_to("/v1/authz/check") == []


def test_a_redirect_is_not_followed(start_server):
    with Provider({"Bearer x": ADA}) as other:
        with Service(lambda asked: (307, {}, {"location": other.url + asked.path})) as one:
            server = start_server("memory:", "--agentex-auth-url", one.url)
            with Caller(server, bearer("x")) as caller:
                assert_unauthorized(caller.call("get-tuple", {"thread_id": "t"}))
        assert other.asked == []


def test_the_variable_of_agentex_counts(start_server, provider):
    server = start_server("memory:", environment={"AGENTEX_AUTH_URL": provider.url + "/"})
    with Caller(server, bearer("ada")) as caller, Caller(server, bearer("who")) as stranger:
        caller.do("put", checkpoint("t"))
        assert_unauthorized(stranger.call("get-tuple", {"thread_id": "t"}))
    assert {asked.path for asked in provider.asked} == {Provider.AUTHN, Provider.CHECK}


# MARK: what goes beyond the five calls


def test_calls_over_all_threads_are_refused(server, provider):
    with Caller(server, bearer("ada")) as caller:
        fill(caller, "t", run_id="r")
        assert_status(caller.call("list", {"across_threads": True}), 403)
        assert_status(caller.call("delete-for-runs", {"run_ids": ["r"]}), 403)
        assert_status(caller.get("/threads"), 403)
        assert caller.do("get-tuple", {"thread_id": "t"})["checkpoint_id"] == "c3"


def test_a_copy_is_checked_at_both_ends(server, provider):
    with Caller(server, bearer("ada")) as caller:
        fill(caller, "theirs")
        for refused in (("read", "theirs"), ("update", "mine")):
            provider.decide = lambda principal, operation, thread, refused=refused: 403 if (operation, thread) == refused else 200
            answer = caller.call("copy-thread", {"source_thread_id": "theirs", "target_thread_id": "mine"})
            assert_status(answer, 404, 403)
            provider.decide = deny()
            assert caller.do("get-tuple", {"thread_id": "mine"}) is None


@pytest.mark.parametrize("strategy", ["keep_latest", "delete"])
def test_a_prune_of_several_is_all_or_nothing(server, provider, strategy):
    """One thread that is denied, wherever it stands, and none is touched."""
    with Caller(server, bearer("ada")) as caller:
        for thread in ("a", "b", "c"):
            fill(caller, thread)
        provider.decide = lambda principal, operation, thread: 403 if thread == "b" else 200
        assert_status(caller.call("prune", {"thread_ids": ["a", "b", "c"], "strategy": strategy}), 404)
        assert_status(caller.call("prune", {"thread_ids": ["b"], "dry_run": True}), 404)
        provider.decide = deny()
        for thread in ("a", "b", "c"):
            assert len(caller.do("list", {"thread_id": thread})) == 4


# MARK: caches


@pytest.mark.parametrize("name", ["x-forwarded-client-cert", "x-tenant", "x-account-id", "accept-language", "x-agent-name"])
def test_any_header_may_make_another_caller(start_server, name):
    """A provider that goes by a header nobody thought of: one caller is not taken for another."""
    def reply(asked):
        if asked.path == Provider.AUTHN:
            return 200, {"who": "".join(asked.header(name))}
        return (200 if asked.json()["principal"] == {"who": "ada"} else 403), {}

    with Service(reply) as one:
        server = start_server("memory:", "--agentex-auth-url", one.url)
        with Caller(server, {**bearer("same"), name: "ada"}) as ada, Caller(server, {**bearer("same"), name: "bob"}) as bob:
            for _ in range(3):
                fill(ada, "t")
                assert_status(bob.call("get-tuple", {"thread_id": "t"}), 404)


def test_who_is_asked_once_and_what_each_time(server, provider):
    with Caller(server, bearer("ada")) as caller:
        for _ in range(20):
            caller.do("get-tuple", {"thread_id": "t"})
        # Taken away it ends at once.
        provider.decide = deny("read")
        assert_status(caller.call("get-tuple", {"thread_id": "t"}), 404)
        provider.decide = deny()
        caller.do("get-tuple", {"thread_id": "t"})
    assert len(provider.requests_to(Provider.AUTHN)) <= 2


def test_a_refusal_is_not_remembered(server, provider):
    with Caller(server, bearer("new")) as caller:
        assert_unauthorized(caller.call("get-tuple", {"thread_id": "t"}))
        provider.callers = {**CALLERS, "Bearer new": ADA}
        assert_status(caller.call("get-tuple", {"thread_id": "t"}), 200)


def test_many_callers_fill_no_memory(start_server):
    with Service(lambda asked: (200, {"of": "x" * 10_000})) as one:
        server = start_server("memory:", "--agentex-auth-url", one.url)
        before = server.peak_resident_bytes()
        with Caller(server) as caller:
            for number in range(1500):
                assert_status(caller.call("get-tuple", {"thread_id": "t"}, authorization=f"Bearer {number}"), 200)
        assert server.peak_resident_bytes() - before < 64 << 20


# MARK: a provider that fails


def test_a_provider_that_is_gone_lets_nobody_in(start_server):
    server = start_server("memory:", "--agentex-auth-url", f"http://127.0.0.1:{free_port()}")
    with Caller(server, bearer("ada")) as caller:
        for _ in range(10):
            began = time.monotonic()
            assert_unauthorized(caller.call("get-tuple", {"thread_id": "t"}))
            assert time.monotonic() - began < 5
        assert_status(caller.get("/healthz"), 200)


def test_it_is_asked_again_when_it_is_back(start_server):
    """A provider that failed for a while: refused at once meanwhile, and let in soon after it is well again."""
    with Provider(CALLERS) as one:
        server = start_server("memory:", "--agentex-auth-url", one.url)
        with Caller(server, bearer("ada")) as ada:
            ada.do("put", checkpoint("t"))
            one.decide = lambda *_: (503, {})
            statuses = {ada.call("get-tuple", {"thread_id": "t"}).status_code for _ in range(30)}
            assert statuses == {503}
            one.decide = deny()
            wait_until(lambda: ada.call("get-tuple", {"thread_id": "t"}).status_code == 200, 40, "it is asked again")


@pytest.mark.parametrize("asleep", [Provider.AUTHN, Provider.CHECK])
def test_a_provider_that_sleeps_holds_nobody_up_for_ever(start_server, asleep):
    woken = threading.Event()

    def reply(asked):
        if asked.path == asleep:
            woken.wait(90)
        return 200, {}

    with Service(reply) as one:
        server = start_server("memory:", "--agentex-auth-url", one.url)
        with Caller(server, bearer("ada")) as caller:
            began = time.monotonic()
            answer = caller.call("get-tuple", {"thread_id": "t"})
            took = time.monotonic() - began
            woken.set()
        assert answer.status_code == (401 if asleep == Provider.AUTHN else 503), answer.text
        assert took < 45


@pytest.mark.parametrize("path", [Provider.AUTHN, Provider.CHECK])
def test_a_provider_that_says_too_much(start_server, path):
    """A hundred megabytes are not kept, and are no yes."""
    huge = b'{"x":"' + b"a" * (100 << 20) + b'"}'
    with Service(lambda asked: (200, huge if asked.path == path else {})) as one:
        server = start_server("memory:", "--agentex-auth-url", one.url)
        before = server.peak_resident_bytes()
        with Caller(server, bearer("ada")) as caller:
            assert caller.call("get-tuple", {"thread_id": "t"}).status_code in (401, 500, 502, 503)
        assert server.peak_resident_bytes() - before < 64 << 20


# MARK: beside other modes


def test_a_bad_key_never_gets_to_the_provider(start_server, tmp_path, provider):
    keys = KeysFile(tmp_path / "keys.json")
    key = keys.create("acme")
    provider.callers = {**CALLERS, "": ADA, "Bearer mlp_wrong": ADA, f"Bearer {key[:-1]}": ADA}
    server = start_server("memory:", "--api-keys-file", str(keys.path), "--agentex-auth-url", provider.url)
    for headers in (
        bearer("mlp_wrong"), bearer(key[:-1]), {"x-api-key": "mlp_wrong"}, {"x-agent-api-key": "mlp_wrong"},
        {**bearer("ada"), "x-api-key": "mlp_wrong"}, {**bearer("ada"), "x-agent-api-key": key[:-1]},
    ):
        with Caller(server, headers) as caller:
            assert_unauthorized(caller.call("get-tuple", {"thread_id": "t"}))
    assert provider.asked == []
    with Caller(server, bearer(key)) as by_key, Caller(server, bearer("ada")) as by_provider:
        fill(by_key, "t")
        assert provider.asked == []
        # The provider's callers are in another tenant.
        assert by_provider.do("get-tuple", {"thread_id": "t"}) is None
        assert provider.asked


def test_an_agent_id_is_no_secret(server, provider):
    """What authenticates at the original by itself is one header among others here."""
    with Caller(server, {"x-agent-identity": "agent-1"}) as caller:
        assert caller.call("get-tuple", {"thread_id": "t"}).status_code == 401
    with Caller(server) as nobody:
        answer = nobody.call("put-writes", {"thread_id": "t", "checkpoint_id": "c", "writes": [
            {"task_id": "t", "idx": 0, "channel": "c", "blob": b64(b"x")}
        ]})
        assert answer.status_code == 401
