"""The HTTP interface from outside: request ids, the log, limits, connections, and bytes that are no HTTP."""

import concurrent.futures
import http.client
import json
import re
import socket
import uuid

import httpx
import pytest

import wire
from conftest import STORES, store_url
from server import answers_ok

CALLS = ("get-tuple", "put", "put-writes", "list", "delete-thread")
READ_ONLY = ("/healthz", "/readyz", "/openapi.json")
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
LOG_KEYS = {"time", "level", "message", "request_id", "method", "path", "status", "duration_ms"}


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.base_url, timeout=wire.TIMEOUT) as client:
        yield client


def put(client, thread_id, checkpoint_id="c1", **more):
    """Puts a small checkpoint."""
    body = {"thread_id": thread_id, "checkpoint_id": checkpoint_id, "checkpoint": {"id": checkpoint_id}, **more}
    answer = client.post("/checkpoints/put", json=body)
    assert answer.status_code == 200
    return answer


# MARK: request ids and the log

ANSWERS = {
    200: ("POST", "/checkpoints/get-tuple", '{"thread_id": "nobody"}'),
    204: ("POST", "/checkpoints/delete-thread", '{"thread_id": "nobody"}'),
    404: ("POST", "/checkpoints/nothing", "{}"),
    405: ("GET", "/checkpoints/put", None),
    413: ("POST", "/checkpoints/put", "x" * 2001),
    422: ("POST", "/checkpoints/put", "{}"),
}


@pytest.fixture(params=STORES)
def small_server(request, start_server, tmp_path):
    """A server that takes bodies of up to 2,000 bytes."""
    return start_server(store_url(request.param, tmp_path), "--max-body-bytes", "2000")


@pytest.mark.parametrize("status", ANSWERS)
def test_every_answer_has_the_id_of_its_log_line(small_server, status):
    method, path, body = ANSWERS[status]
    sent = f"req.{uuid.uuid4()}_{status}"
    headers = {"content-type": "application/json"}
    url = small_server.base_url + path
    named = httpx.request(method, url, content=body, headers={**headers, "x-request-id": sent})
    unnamed = httpx.request(method, url, content=body, headers=headers)
    assert (named.status_code, unnamed.status_code) == (status, status)
    assert named.headers["x-request-id"] == sent
    assert SANE_REQUEST_ID.fullmatch(unnamed.headers["x-request-id"])
    small_server.stop()
    for answer in (named, unnamed):
        lines = [r for r in small_server.log_records() if r.get("request_id") == answer.headers["x-request-id"]]
        assert [(r["method"], r["path"], r["status"]) for r in lines] == [(method, path, status)]
        assert LOG_KEYS <= lines[0].keys()


@pytest.mark.parametrize("sent", ["a", "A-z_0.9", "x" * 128])
def test_a_sane_request_id_is_kept(server, sent):
    assert wire.post(server.port, "/checkpoints/put", b"", x_request_id=sent).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "two words", "a\tb", "x" * 129, 'quo"te', "semi;colon", "caf\u00e9", "<script>"])
def test_another_request_id_is_replaced(server, sent):
    answer = wire.post(server.port, "/checkpoints/put", b"", x_request_id=sent)
    assert answer.status == 422
    assert answer.headers["x-request-id"] != sent
    assert SANE_REQUEST_ID.fullmatch(answer.headers["x-request-id"])


def test_request_ids_differ(client):
    ids = {client.get("/healthz").headers["x-request-id"] for _ in range(50)}
    assert len(ids) == 50


def marked_bodies(marker):
    """Bodies with the marker in every field; some are refused, some are not even JSON."""
    blob = {"channel": marker, "version": marker, "type": marker, "blob": marker}
    write = {"task_id": marker, "idx": 0, "channel": marker, "type": marker, "blob": marker, "task_path": marker}
    key = {"thread_id": marker, "checkpoint_ns": marker, "checkpoint_id": marker}
    document = {marker: marker, "channel_versions": {marker: marker}}
    yield "put", {**key, "parent_checkpoint_id": marker, "checkpoint": document, "metadata": document, "blobs": [blob]}
    yield "put-writes", {**key, "writes": [write], "upsert": True}
    yield "get-tuple", key
    yield "list", {**key, "before_checkpoint_id": marker, "filter_metadata": document}
    yield "put", {**key, "checkpoint": marker, "metadata": marker, "blobs": [{**blob, "blob": f"!{marker}"}, marker]}
    yield "put-writes", {**key, "writes": [{**write, "idx": marker, "blob": f"!{marker}"}], "upsert": marker}
    yield "put-writes", {**key, "thread_id": f"{marker}\0", "checkpoint_id": marker * 500, "writes": []}
    yield "list", {**key, "filter_metadata": marker, "limit": marker}
    yield "list", {"thread_id": [marker]}
    yield "get-tuple", [marker]
    yield "get-tuple", f'{{"thread_id": {marker}'.encode()
    yield "delete-thread", {"thread_id": marker}


def test_nothing_that_was_sent_is_logged(start_server, sqlite_store):
    # A multiple of four letters, so that it is also canonical base64.
    marker = f"marker{uuid.uuid4().hex}xx"
    server = start_server(sqlite_store, "--log-level", "trace")
    statuses = set()
    for call, body in marked_bodies(marker):
        path = f"/checkpoints/{call}?{marker}={marker}"
        statuses.add(wire.post(server.port, path, body, x_marker=marker, authorization=f"Bearer {marker}").status)
    assert statuses == {200, 204, 422}
    server.stop()
    assert any(record.get("path") == "/checkpoints/put" for record in server.log_records())
    assert marker not in server.log_text()


def test_start_and_end_are_logged(start_server, sqlite_store):
    server = start_server(sqlite_store)
    server.stop()
    records = server.log_records()
    assert all({"time", "level", "message"} <= record.keys() for record in records)
    assert (records[0]["message"], records[0]["url"]) == ("listening", server.base_url)
    assert records[-1]["message"] == "stopped"


def test_text_form_of_the_log(start_server):
    server = start_server("memory:", "--log-format", "text")
    server.stop()
    assert re.match(r"\d\d:\d\d:\d\d\.\d+ notice +listening  .*store=memory:", server.log_lines()[0])


# MARK: routes


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
def test_health(client, path, status):
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": status})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_a_post(client, call, method):
    answer = client.request(method, f"/checkpoints/{call}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert answer.json() == {"detail": "Method Not Allowed"}


@pytest.mark.parametrize("path", READ_ONLY)
def test_the_rest_is_a_get(client, path):
    answer = client.post(path, json={})
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/checkpoints", "/checkpoints/", "/checkpoints/put/", "/v1/checkpoints/put"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_path_is_not_found(client, method, path):
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert answer.headers["content-type"] == "application/json"


def test_a_204_has_no_body_and_no_content_type(server, thread_id):
    answer = wire.post(server.port, "/checkpoints/delete-thread", {"thread_id": thread_id})
    assert (answer.status, answer.body) == (204, b"")
    assert "content-type" not in answer.headers


# MARK: how large a body may be

LIMIT = 2000


def body_of(size):
    """A get-tuple body of exactly that many bytes."""
    return json.dumps({"thread_id": "t"}).encode().ljust(size)


def refused_as_too_large(answer):
    assert answer.status == 413
    assert answer.headers["content-type"] == "application/json"
    detail = answer.json()
    assert detail.keys() == {"detail"} and str(LIMIT) in detail["detail"]
    assert answer.headers["x-request-id"]
    return True


def send_chunked(server, *parts):
    headers = {"host": "127.0.0.1", "content-type": "application/json", "transfer-encoding": "chunked"}
    return wire.exchange(
        server.port, wire.head("POST", "/checkpoints/get-tuple", headers) + wire.chunked(*parts)
    )


def test_a_body_of_exactly_the_limit_is_taken(small_server):
    assert wire.post(small_server.port, "/checkpoints/get-tuple", body_of(LIMIT)).status == 200
    assert send_chunked(small_server, body_of(LIMIT)).status == 200
    assert send_chunked(small_server, body_of(LIMIT)[:1000], body_of(LIMIT)[1000:]).status == 200


def test_a_larger_body_is_a_413(small_server):
    assert refused_as_too_large(wire.post(small_server.port, "/checkpoints/get-tuple", body_of(LIMIT + 1)))
    assert refused_as_too_large(wire.post(small_server.port, "/checkpoints/get-tuple", body_of(LIMIT * 1000)))
    assert answers_ok(f"{small_server.base_url}/readyz")


def test_a_larger_chunked_body_is_a_413(small_server):
    whole = body_of(LIMIT + 1)
    assert refused_as_too_large(send_chunked(small_server, whole))
    assert refused_as_too_large(send_chunked(small_server, whole[:1500], whole[1500:]))
    assert refused_as_too_large(send_chunked(small_server, *[whole[:1000]] * 1000))
    assert answers_ok(f"{small_server.base_url}/readyz")


def test_an_announced_body_is_refused_before_it_comes(small_server):
    """Ten gigabytes are only announced: the answer must not wait for them."""
    headers = {"host": "127.0.0.1", "content-type": "application/json", "content-length": 10**10}
    assert refused_as_too_large(wire.exchange(small_server.port, wire.head("POST", "/checkpoints/put", headers)))


def test_a_large_body_is_taken_by_default(client, thread_id):
    text = "x" * (32 * 1024 * 1024)
    put(client, thread_id, metadata={"text": text})
    assert client.post("/checkpoints/get-tuple", json={"thread_id": thread_id}).json()["metadata"]["text"] == text
    client.post("/checkpoints/delete-thread", json={"thread_id": thread_id})


# MARK: connections


def request(path, body, request_id):
    data = json.dumps(body).encode()
    headers = {"host": "h", "content-type": "application/json", "content-length": len(data), "x-request-id": request_id}
    return wire.head("POST", path, headers) + data


def test_one_connection_serves_many_requests(server, thread_id):
    with wire.connect(server.port) as connection:
        answers = wire.Answers(connection)
        for number in range(200):
            body = {"thread_id": thread_id, "checkpoint_id": f"c{number}", "checkpoint": {}}
            connection.sendall(request("/checkpoints/put", body, f"r{number}"))
            answer = answers.next()
            assert (answer.status, answer.headers["x-request-id"]) == (200, f"r{number}")


def test_pipelined_requests_are_answered_in_order(server, thread_id):
    """Slow and fast ones, refusals and successes, all sent before the first answer is read."""
    bodies = [
        ("/checkpoints/put", {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {}}, 200),
        ("/nothing", {}, 404),
        ("/checkpoints/list", {"thread_id": thread_id, "limit": 1000}, 200),
        ("/checkpoints/put", {}, 422),
        ("/checkpoints/get-tuple", {"thread_id": thread_id}, 200),
        ("/checkpoints/put-writes", {"thread_id": thread_id, "checkpoint_id": "c1", "writes": []}, 204),
    ] * 10
    with wire.connect(server.port) as connection:
        connection.sendall(b"".join(request(path, body, f"r{n}") for n, (path, body, _) in enumerate(bodies)))
        answers = wire.Answers(connection)
        for number, (_, _, status) in enumerate(bodies):
            answer = answers.next()
            assert (number, answer.status, answer.headers["x-request-id"]) == (number, status, f"r{number}")


def test_a_refused_request_does_not_end_the_connection(client):
    for _ in range(3):
        assert client.post("/checkpoints/put", content=b"{").status_code == 422
        assert client.post("/nothing", content=b"body").status_code == 404
        assert client.put("/checkpoints/put", content=b"body").status_code == 405
        assert client.get("/healthz").status_code == 200


def test_head_is_answered_with_the_head_alone(server):
    """Byte by byte: a body would be taken for the next answer."""
    more = {"host": "h", "x-request-id": "r"}
    with wire.connect(server.port) as connection:
        for method, path in (("HEAD", "/checkpoints/put"), ("HEAD", "/healthz"), ("HEAD", "/nothing")):
            connection.sendall(wire.head(method, path, more))
        connection.sendall(wire.head("GET", "/nothing", {**more, "connection": "close"}))
        heads = connection.makefile("rb").read().split(b"\r\n\r\n")
    assert [head.split(b" ")[1] for head in heads[:-1]] == [b"405", b"405", b"404", b"404"]
    lengths = [re.search(rb"\r\ncontent-length: (\d+)", head.lower())[1] for head in heads[:-1]]
    assert lengths == [b"31", b"31", b"22", b"22"]
    assert heads[-1] == b'{"detail":"Not Found"}'


HOST = b"host: 127.0.0.1\r\n"
PUT = b"POST /checkpoints/put HTTP/1.1\r\n"
MALFORMED = {
    "garbage": b"GARBAGE\r\n\r\n",
    "binary": bytes(range(256)) * 4,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "http2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version": b"GET /healthz HTTP/9.9\r\n" + HOST + b"\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "bad method": b"G@T /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "length not a number": PUT + HOST + b"content-length: abc\r\n\r\n",
    "negative length": PUT + HOST + b"content-length: -1\r\n\r\n",
    "two lengths": PUT + HOST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "huge length": PUT + HOST + b"content-length: 99999999999999999999999999\r\n\r\n",
    "length and chunks": PUT + HOST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size": PUT + HOST + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
    "header without colon": b"GET /healthz HTTP/1.1\r\n" + HOST + b"nocolon\r\n\r\n",
    "NUL in a header": b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: a\x00b\r\n\r\n",
    "header too large": b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "line too long": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "too many headers": b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: y\r\n" * 100_000 + b"\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_http_does_no_harm(server, sent):
    """Refused or hung up on, but never a 2xx for a change, a 5xx, or the end of the server."""
    answer = exchange_and_hang_up(server.port, sent)
    assert answer.status == 0 or 400 <= answer.status < 500 or answer.status == 505
    assert server.is_running and answers_ok(f"{server.base_url}/readyz")


def exchange_and_hang_up(port, sent):
    """Sends the bytes, says that no more will come, and gives the answer, if any."""
    with wire.connect(port) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            return wire.Answers(connection).next()
        except (ConnectionError, http.client.HTTPException):
            return wire.NO_ANSWER


@pytest.mark.parametrize("part", [0, 1, 10, 40, -1])
def test_a_client_that_hangs_up_does_no_harm(server, thread_id, part):
    whole = request("/checkpoints/put", {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {}}, "r1")
    for _ in range(20):
        with wire.connect(server.port) as connection:
            connection.sendall(whole[:part])
    assert server.is_running and answers_ok(f"{server.base_url}/readyz")
    assert wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id}).json() is None


def test_64_clients_at_once(server, thread_id):
    """Each on its own connection and thread; every answer is its own, and the server has all of it afterwards."""

    def work(number):
        mine = f"{thread_id}-{number}"
        with httpx.Client(base_url=server.base_url, timeout=wire.TIMEOUT) as client:
            for step in range(10):
                put(client, mine, f"c{step}", metadata={"client": number, "step": step})
                writes = [{"task_id": "t", "idx": idx, "channel": "c", "blob": "aGk="} for idx in range(3)]
                body = {"thread_id": mine, "checkpoint_id": f"c{step}", "writes": writes}
                assert client.post("/checkpoints/put-writes", json=body).status_code == 204
                found = client.post("/checkpoints/get-tuple", json={"thread_id": mine}).json()
                assert (found["metadata"], len(found["pending_writes"])) == ({"client": number, "step": step}, 3)
            return len(client.post("/checkpoints/list", json={"thread_id": mine}).json())

    with concurrent.futures.ThreadPoolExecutor(64) as clients:
        assert list(clients.map(work, range(64))) == [10] * 64


def test_writers_of_one_checkpoint_do_not_lose_each_others_writes(server, thread_id):
    """LangGraph's fan-out: many tasks save their writes under one checkpoint at the same moment."""

    def write(number):
        writes = [{"task_id": f"task-{number}", "idx": idx, "channel": "c", "blob": "aGk="} for idx in range(4)]
        body = {"thread_id": thread_id, "checkpoint_id": "c1", "writes": writes}
        return wire.post(server.port, "/checkpoints/put-writes", body).status

    with concurrent.futures.ThreadPoolExecutor(32) as clients:
        assert set(clients.map(write, range(64))) == {204}
    body = {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {}}
    assert wire.post(server.port, "/checkpoints/put", body).status == 200
    found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id}).json()["pending_writes"]
    assert len(found) == 256
