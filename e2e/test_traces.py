"""Traces, as a collector gets them: read with OpenTelemetry's own protobuf, from a server that it must never hold up."""

import base64
import concurrent.futures
import json
import threading
import uuid

import httpx
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from provider import Provider, Service
from security import bearer, checkpoint, new_thread
from server import free_port, wait_until
from test_startup import assert_refused, milepost

ARRIVAL_LIMIT = 20.0
PATH = "/v1/traces"
ID_BYTES = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
INTERNAL, SERVER, CLIENT = 1, 2, 3
ERROR = 2
FAILING = "traces cannot be delivered: spans are kept for a while, then dropped; calls go on as before"
RECOVERED = "traces are delivered again"
MARK = "CANARY"


def decoded(body):
    """A body of OTLP/HTTP in JSON as the protocol's message. Ids are hexadecimal there, and base64 in protobuf's JSON."""

    def convert(value):
        if isinstance(value, list):
            return [convert(element) for element in value]
        if not isinstance(value, dict):
            return value
        converted = {}
        for name, member in value.items():
            if name in ID_BYTES:
                raw = bytes.fromhex(member)
                assert len(raw) == ID_BYTES[name] and any(raw) and member == member.lower()
                converted[name] = base64.b64encode(raw).decode()
            else:
                converted[name] = convert(member)
        return converted

    return json_format.ParseDict(convert(json.loads(body)), ExportTraceServiceRequest(), ignore_unknown_fields=False)


def values(attributes):
    """Attributes as a dictionary; fails when one comes twice."""
    found = {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}
    assert len(found) == len(attributes)
    return found


class Collector(Service):
    """Answers with what `answer()` gives, and keeps what it has taken with 200."""

    def __init__(self, answer=lambda: 200, port=0):
        self.answer = answer
        self.taken = []
        super().__init__(self._reply, port)

    def _reply(self, asked):
        assert (asked.method, asked.path) == ("POST", PATH)
        assert asked.header("content-type") == ["application/json"]
        status, *more = answer if isinstance(answer := self.answer(), tuple) else (answer,)
        if status == 200:
            self.taken.append(asked.body)
        return (status, {}, *more)

    @property
    def requests(self):
        return [decoded(body) for body in list(self.taken)]

    @property
    def spans(self):
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def calls(self):
        return [span for span in self.spans if span.kind == SERVER]

    def wait_for_calls(self, count):
        wait_until(lambda: len(self.calls()) >= count, ARRIVAL_LIMIT, f"{count} calls at the collector")
        return self.calls()


@pytest.fixture
def collector():
    with Collector() as running:
        yield running


def traced(start_server, collector, store="memory:", *options):
    return start_server(store, "--traces-url", collector.url, "--log-format", "json", *options)


def parent(sampled=True):
    """A header traceparent of a trace of its own, with its two ids."""
    trace, span = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    return f"00-{trace}-{span}-{'01' if sampled else '00'}", bytes.fromhex(trace), bytes.fromhex(span)


def agent(server, thread, headers=None, client=None):
    """What an agent does in one step of its graph; returns how many calls that were."""
    if client is None:
        with httpx.Client(base_url=server.base_url, headers=headers, timeout=60) as client:
            return agent(server, thread, client=client)
    answers = [
        client.post("/checkpoints/get-tuple", json={"thread_id": thread}),
        client.post("/checkpoints/put", json=checkpoint(thread)),
        client.post(
            "/checkpoints/put-writes",
            json={
                "thread_id": thread,
                "checkpoint_id": "c1",
                "writes": [{"task_id": MARK, "idx": 0, "channel": MARK, "type": MARK, "blob": "AAAA"}],
            },
        ),
        client.post("/checkpoints/list", json={"thread_id": thread}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 204, 200], [answer.text for answer in answers]
    return len(answers)


def many(server, steps):
    """Steps of several agents at the same time; returns how many calls all of them were."""
    with httpx.Client(base_url=server.base_url, timeout=60) as client, concurrent.futures.ThreadPoolExecutor(8) as pool:
        return sum(pool.map(lambda _: agent(server, new_thread(), client=client), range(steps)))


def messages(server, *wanted):
    return [record for record in server.log_records() if record["message"] in wanted]


# MARK: what is exported


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_step_of_an_agent_is_one_trace(start_server, collector, kind, sqlite_store, request):
    store = sqlite_store if kind == "sqlite" else request.getfixturevalue("postgres_store")
    server = traced(start_server, collector, store)
    header, trace, span = parent()
    agent(server, new_thread(), {"traceparent": header, "x-request-id": "step-1"})
    calls = collector.wait_for_calls(4)
    assert [call.name for call in calls] == [
        f"POST /checkpoints/{name}" for name in ("get-tuple", "put", "put-writes", "list")
    ]
    for call in calls:
        assert (call.trace_id, call.parent_span_id) == (trace, span)
        assert call.status.code == 0 and 0 < call.start_time_unix_nano < call.end_time_unix_nano
        assert values(call.attributes) == {
            "http.request.method": "POST",
            "http.route": call.name.removeprefix("POST "),
            "http.response.status_code": 204 if call.name.endswith("writes") else 200,
            "url.scheme": "http",
            "milepost.request_id": "step-1",
        }
    steps = {call.name: [] for call in calls}
    names = {call.span_id: call.name for call in calls}
    for step in collector.spans:
        if step.kind == INTERNAL:
            assert step.trace_id == trace
            steps[names[step.parent_span_id]].append(step.name)
    writing = {"receive", "queue", "commit"} | ({"apply"} if kind == "sqlite" else set())
    assert set(steps["POST /checkpoints/put-writes"]) >= writing
    assert "read" in steps["POST /checkpoints/list"]
    assert len({step.span_id for step in collector.spans}) == len(collector.spans)
    [resource] = {tuple(sorted(values(found.resource.attributes).items())) for r in collector.requests for found in r.resource_spans}
    assert dict(resource)["service.name"] == "milepost" and dict(resource)["service.version"]
    assert len(dict(resource)["service.instance.id"]) == 32
    logged = [record for record in server.log_records() if record.get("request_id") == "step-1"]
    assert {record["trace_id"] for record in logged if record["message"] == "request answered"} == {trace.hex()}


def test_calls_without_a_trace_begin_one_each(start_server, collector):
    server = traced(start_server, collector)
    agent(server, new_thread())
    calls = collector.wait_for_calls(4)
    assert len({call.trace_id for call in calls}) == 4 and not any(call.parent_span_id for call in calls)
    assert not any("healthz" in call.name or "readyz" in call.name for call in calls)


def test_who_brings_a_trace_decides_and_others_are_sampled(start_server, collector):
    server = traced(start_server, collector, "memory:", "--traces-percent", "0")
    agent(server, new_thread())
    agent(server, new_thread(), {"traceparent": parent(sampled=False)[0]})
    agent(server, new_thread(), {"traceparent": "00-malformed"})
    header, trace, _ = parent()
    agent(server, new_thread(), {"traceparent": header})
    server.stop()
    assert {call.trace_id for call in collector.calls()} == {trace} and len(collector.calls()) == 4


def test_errors_are_marked(start_server, collector):
    server = traced(start_server, collector)
    for body, status in (("{", 422), ("{}", 422)):
        answer = httpx.post(f"{server.base_url}/checkpoints/list", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status
    assert httpx.get(f"{server.base_url}/{MARK}").status_code == 404
    calls = collector.wait_for_calls(3)
    assert [call.status.code for call in calls] == [0, 0, 0] and calls[2].name == "GET"
    assert "http.route" not in values(calls[2].attributes)


def test_nothing_that_a_caller_sends_is_exported(start_server, collector):
    server = traced(start_server, collector)
    headers = {
        "traceparent": parent()[0], "tracestate": f"a={MARK}", "authorization": f"Bearer {MARK}", "cookie": MARK,
        "x-milepost-tenant": MARK, "user-agent": MARK,
    }
    agent(server, f"{MARK}-{new_thread()}", headers)
    for path in (f"/threads/{MARK}", f"/threads?after={MARK}", f"/{MARK}", f"/checkpoints/put?{MARK}"):
        httpx.get(server.base_url + path, headers=headers)
    httpx.request(MARK, f"{server.base_url}/threads", headers=headers)
    collector.wait_for_calls(8)
    server.stop()
    assert not any(MARK.encode() in body for body in collector.taken)


# MARK: requests to others


def test_the_provider_is_asked_within_the_trace(start_server, collector):
    with Provider({"Bearer ada": {"user_id": "ada"}}) as provider:
        server = traced(start_server, collector, "memory:", "--agentex-auth-url", provider.url)
        header, trace, _ = parent()
        agent(server, new_thread(), {**bearer("ada"), "traceparent": header, "tracestate": "a=1"})
        calls = collector.wait_for_calls(4)
        server.stop()
        asked = [span for span in collector.spans if span.kind == CLIENT]
        assert sorted({span.name for span in asked}) == ["POST /v1/authn", "POST /v1/authz/check"]
        assert {span.parent_span_id for span in asked} <= {call.span_id for call in calls}
        sent = {span.span_id.hex() for span in asked}
        for request in provider.asked:
            [value] = request.header("traceparent")
            version, sent_trace, sent_span, flags = value.split("-")
            assert (version, sent_trace, flags) == ("00", trace.hex(), "01") and sent_span in sent
            assert request.header("tracestate") == ["a=1"]


# MARK: a collector in trouble


def test_a_collector_that_is_down_harms_no_call_and_is_told_of_once(start_server):
    port = free_port()
    with Service(lambda asked: (200, {})) as unused:
        unused.url = f"http://127.0.0.1:{port}"
        server = traced(start_server, unused)
    assert many(server, 50) == 200
    wait_until(lambda: messages(server, FAILING), ARRIVAL_LIMIT, "the log says so")
    assert many(server, 50) == 200
    with Collector(port=port) as collector:
        wait_until(lambda: messages(server, RECOVERED), ARRIVAL_LIMIT, "the log says that it is over")
        collector.wait_for_calls(400)
        agent(server, new_thread())
        collector.wait_for_calls(404)
        assert [record["message"] for record in messages(server, FAILING, RECOVERED)] == [FAILING, RECOVERED]
        server.stop()
        assert len(collector.calls()) == 404


def test_a_collector_that_hangs_harms_no_call_and_keeps_no_more_than_there_is_room_for(start_server, sqlite_store):
    let_go = threading.Event()
    with Collector(lambda: let_go.wait() and 200) as collector:
        server = traced(start_server, collector, sqlite_store)
        # Each step of an agent is more than a dozen spans, and there is room for some thousand.
        assert many(server, 900) == 3_600
        assert not collector.taken
        let_go.set()
        wait_until(
            lambda: any(int(record.get("dropped", 0)) > 0 for record in server.log_records()),
            ARRIVAL_LIMIT,
            "the log says how many were dropped",
        )
        assert len(collector.calls()) < 3_600
        agent(server, new_thread())
        collector.wait_for_calls(len(collector.calls()) + 1)


def test_a_collector_that_hangs_does_not_keep_the_server_from_ending(start_server):
    let_go = threading.Event()
    with Collector(lambda: let_go.wait() and 200) as collector:
        server = traced(start_server, collector)
        many(server, 20)
        wait_until(lambda: collector.asked, ARRIVAL_LIMIT, "the collector is asked")
        server.stop()
        let_go.set()


def test_a_collector_that_comes_and_goes_gets_each_span_once(start_server):
    lock, count = threading.Lock(), iter(range(10**9))

    def flap():
        with lock:
            return (503, {"retry-after": "0"}) if next(count) % 2 == 0 else 200

    with Collector(flap) as collector:
        server = traced(start_server, collector)
        expected = many(server, 100)
        collector.wait_for_calls(expected)
        server.stop()
        assert len(collector.calls()) == expected
        assert len({(span.trace_id, span.span_id) for span in collector.spans}) == len(collector.spans)
        assert len(collector.asked) > len(collector.taken)


def test_a_collector_that_refuses_is_not_asked_twice(start_server):
    with Collector(lambda: 400) as collector:
        server = traced(start_server, collector)
        agent(server, new_thread())
        wait_until(lambda: messages(server, FAILING), ARRIVAL_LIMIT, "the log says so")
        server.stop()
        bodies = [asked.body for asked in collector.asked]
        assert len(set(bodies)) == len(bodies)
        [record] = messages(server, FAILING)
        assert record["reason"] == "the answer's status is 400"


# MARK: start and end


@pytest.mark.parametrize("round", range(3))
def test_the_last_spans_are_sent_at_the_end(start_server, collector, round):
    server = traced(start_server, collector)
    expected = many(server, 20)
    server.stop()
    assert len(collector.calls()) == expected


def test_the_log_says_where_traces_go_without_the_password(start_server, collector):
    url = collector.url.replace("http://", "http://ann:s%65cret@")
    server = start_server("memory:", "--traces-url", f"{url}{PATH}", "--log-format", "json")
    agent(server, new_thread())
    server.stop()
    [line] = messages(server, "listening")
    assert line["traces"] == collector.url + PATH
    assert "cret" not in server.log_text()
    expected = "Basic " + base64.b64encode(b"ann:secret").decode()
    assert {value for asked in collector.asked for value in asked.header("authorization")} == {expected}


def test_without_a_collector_nothing_is_traced(start_server):
    server = start_server("memory:", "--log-format", "json")
    agent(server, new_thread(), {"traceparent": parent()[0]})
    assert "traces" not in messages(server, "listening")[0]
    assert not any("trace_id" in record for record in server.log_records())


def test_a_url_that_is_none_is_refused_at_the_start():
    ended = milepost("serve", "--store", "memory:", "--traces-url", "collector:4317")
    assert_refused(ended, 64, "traces-url", "http://127.0.0.1:4318/v1/traces")
