"""Browsers as clients: a page of another site gets nothing out of a server and changes nothing, whatever else it tries."""

import json

import hpack
import httpx
import pytest

import frames
import wire
from certificates import Authority
from security import Caller, KeysFile, SecureServer, bearer, checkpoint
from server import Server
from strangers import CASES, Place

FOREIGN = ("https://evil.example", "null", "http://localhost", "http://127.0.0.1.evil.example", "file://", "")
REBOUND = "evil.example:5003"
# What every client may ask, and what the operator's programs read.
OPEN_PATHS = ("/healthz", "/readyz", "/openapi.json", "/metrics")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A server for one developer: no authentication, on loopback alone."""
    directory = tmp_path_factory.mktemp("opened")
    running = Server("memory:", directory, "--audit-log", str(directory / "audit.jsonl")).start()
    running.audit = directory / "audit.jsonl"
    yield running
    running.stop()


@pytest.fixture(scope="module")
def exposed(tmp_path_factory):
    """A server without authentication that listens on every address, as in a network of containers."""
    running = Server(
        "memory:", tmp_path_factory.mktemp("exposed"), "--host", "0.0.0.0", "--insecure-allow-open"
    ).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A server with keys, whose page may be opened under any name."""
    directory = tmp_path_factory.mktemp("keyed")
    keys = KeysFile(directory / "keys.json")
    key = keys.create()
    running = Server(
        "memory:", directory, "--api-keys-file", str(keys.path), "--audit-log", str(directory / "audit.jsonl")
    ).start()
    running.key, running.audit = key, directory / "audit.jsonl"
    yield running
    running.stop()


def ask(server, method, path, body=None, host=None, **headers):
    """One request by hand; headers are named with underscores, and None is left out."""
    data = b"" if body is None else json.dumps(body).encode()
    named = {"host": host or f"127.0.0.1:{server.port}", **headers}
    if body is not None:
        named |= {"content-type": "application/json", "content-length": len(data)}
    named = {name.replace("_", "-"): value for name, value in named.items() if value is not None}
    return wire.exchange(server.port, wire.head(method, path, named) + data, method)


def assert_refused(answer, *words):
    assert answer.status == 403, (answer.status, answer.body[:300])
    assert answer.headers["content-type"] == "application/json"
    assert not any(name.startswith("access-control") for name in answer.headers), answer.headers
    detail = answer.json()["detail"]
    assert all(word in detail for word in words), detail


def threads(server, **headers):
    answer = ask(server, "GET", "/threads", **headers)
    assert answer.status == 200, (answer.status, answer.body[:300])
    return [thread["thread_id"] for thread in answer.json()["threads"]]


def put(server, thread, **headers):
    return ask(server, "POST", "/checkpoints/put", checkpoint(thread), **headers)


def delete(server, thread, **headers):
    return ask(server, "POST", "/checkpoints/delete-thread", {"thread_id": thread}, **headers)


# MARK: pages of other sites


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_another_site_changes_nothing(opened, origin):
    assert put(opened, "kept").status == 200
    assert_refused(delete(opened, "kept", origin=origin), "other sites")
    assert_refused(put(opened, "made", origin=origin), "other sites")
    assert_refused(ask(opened, "GET", "/threads", origin=origin), "other sites")
    found = threads(opened)
    assert "kept" in found and "made" not in found


REQUESTS = [
    (method, path, more)
    for case in CASES
    for method, path, more in case.requests(Place("theirs", "run", "own"))
]
PATHS = sorted({(method, path.split("?")[0]) for method, path, _ in REQUESTS})


@pytest.mark.parametrize("kind", ["opened", "exposed", "keyed"])
def test_every_endpoint_refuses_a_foreign_origin(request, kind):
    """With a good key too: a client certificate, say, would be sent along by the browser itself."""
    server = request.getfixturevalue(kind)
    key = {"authorization": f"Bearer {server.key}"} if kind == "keyed" else {}
    document = httpx.get(f"{server.base_url}/openapi.json", trust_env=False).json()
    written = {
        (method.upper(), path.replace("{thread_id}", "theirs"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    for method, path in written | set(PATHS) | {("GET", path) for path in OPEN_PATHS} | {("GET", "/nothing")}:
        body = None if method == "GET" else {}
        for origin in ("https://evil.example", "null"):
            assert_refused(ask(server, method, path, body, origin=origin, **key), "other sites")


@pytest.mark.parametrize("kind", ["opened", "keyed"])
def test_what_a_page_would_have_to_ask_first_is_refused(request, kind):
    """A preflight: without an answer to it a browser sends no JSON to another site."""
    server = request.getfixturevalue(kind)
    answer = ask(
        server, "OPTIONS", "/checkpoints/delete-thread", origin="https://evil.example",
        access_control_request_method="POST", access_control_request_headers="content-type",
    )
    assert_refused(answer)


def test_a_form_is_refused(opened):
    """What a page may send without asking: other types of content, and as a navigation."""
    assert put(opened, "formed").status == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = ask(
            opened, "POST", "/checkpoints/delete-thread", origin="https://evil.example", sec_fetch_site="cross-site",
            sec_fetch_mode="navigate", content_type=kind, content_length="0",
        )
        assert_refused(answer)
    assert "formed" in threads(opened)


def test_pictures_and_links(opened):
    """What has no Origin is told by Sec-Fetch-Site; a link from another site is followed."""
    for site in ("cross-site", "same-site"):
        refused = ask(opened, "GET", "/threads", sec_fetch_site=site, sec_fetch_mode="no-cors")
        assert_refused(refused, "other sites")
        assert ask(opened, "GET", "/threads", sec_fetch_site=site, sec_fetch_mode="navigate").status == 200


def test_several_origins_are_none(opened):
    own = f"http://127.0.0.1:{opened.port}"
    for second in (own, "https://evil.example"):
        lines = f"host: 127.0.0.1:{opened.port}\r\norigin: {own}\r\norigin: {second}\r\n"
        answer = wire.exchange(opened.port, f"GET /threads HTTP/1.1\r\n{lines}\r\n".encode(), "GET")
        assert_refused(answer, "other sites")


# MARK: the server's own page


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "milepost.localhost", "10.0.0.7"])
@pytest.mark.parametrize("kind", ["opened", "exposed"])
def test_the_servers_own_page(request, kind, name):
    server = request.getfixturevalue(kind)
    host = f"{name}:{server.port}"
    own = {"host": host, "origin": f"http://{host.lower()}", "sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"}
    assert put(server, "own", **own).status == 200
    assert "own" in threads(server, host=host, sec_fetch_site="same-origin", sec_fetch_mode="cors")
    assert delete(server, "own", **own).status == 204
    # It is answered as anybody else is, on its connection too.
    with wire.connect(server.port) as connection:
        body = json.dumps({"thread_id": "own"}).encode()
        head = {"host": host, "content-type": "application/json", "content-length": len(body)}
        requests = [wire.head("POST", "/checkpoints/get-tuple", {**head, **more}) + body for more in (
            {}, {"origin": own["origin"]}, {"origin": "https://evil.example"}, {},
        )]
        connection.sendall(b"".join(requests))
        answers = wire.Answers(connection)
        assert [answers.next().status for _ in requests] == [200, 200, 403, 200]


@pytest.mark.parametrize("name", ["127.0.0.1", "milepost.example", "evil.example"])
def test_with_authentication_any_name_is_right(keyed, name):
    """The page has no credential but what its visitor gives it; a proxy that ends TLS has passed Host on."""
    for origin in (f"http://{name}", f"https://{name}", f"https://{name}:443"):
        asked = {"host": name, "origin": origin}
        assert put(keyed, "named", **asked, **bearer(keyed.key)).status == 200
        assert put(keyed, "named", **asked).status == 401
    assert "named" in threads(keyed, host=name, **bearer(keyed.key))
    assert_refused(put(keyed, "named", host=name, origin="https://elsewhere.example", **bearer(keyed.key)), "Host")


def test_a_refusal_uses_up_no_failures(keyed):
    """A page cannot have its visitor's address throttled."""
    for _ in range(40):
        assert_refused(ask(keyed, "GET", "/threads", origin="https://evil.example"))
    assert ask(keyed, "GET", "/threads").status == 401


# MARK: a name that is pointed at this address


@pytest.mark.parametrize("kind", ["opened", "exposed"])
def test_a_rebound_name_changes_nothing(request, kind):
    """The page is of the same origin: its name was pointed at the server after it was loaded."""
    server = request.getfixturevalue(kind)
    assert put(server, "kept").status == 200
    page = {"host": REBOUND, "origin": f"http://{REBOUND}"}
    assert_refused(delete(server, "kept", **page), "localhost", "--api-keys-file")
    assert_refused(put(server, "made", **page))
    assert_refused(ask(server, "POST", "/checkpoints/list", {"across_threads": True}, **page))
    assert_refused(ask(server, "PUT", "/threads/kept/retention", {"ttl": 1}, **page))
    assert_refused(ask(server, "GET", "/threads", host=REBOUND, sec_fetch_site="same-origin"))
    found = threads(server)
    assert "kept" in found and "made" not in found


@pytest.mark.parametrize("path", ["/threads", "/threads?limit=1", "/%74hreads", "/threads/kept", "/threads/kept/events",
                                  "/threads/kept/retention"])
def test_a_rebound_name_reads_nothing_on_loopback(opened, path):
    """A GET to the same origin, in the clear, looks like anybody else's."""
    for host in (REBOUND, "localhost.evil.example", "127.0.0.1.evil.example:5003"):
        assert_refused(ask(opened, "GET", path, host=host), "localhost")


# MARK: what is no browser


@pytest.mark.parametrize("kind", ["opened", "exposed", "keyed"])
def test_health_checks_and_scrapes_go_on_under_any_name(request, kind):
    server = request.getfixturevalue(kind)
    for path in OPEN_PATHS:
        status = 401 if kind == "keyed" and path == "/metrics" else 200
        assert ask(server, "GET", path, host="milepost:5003").status == status, path


def test_agents_go_on_under_a_containers_name(exposed):
    """As `http://milepost:5003` does in a compose network; the fetch of Node.js says Sec-Fetch-Mode."""
    for more in ({}, {"sec_fetch_mode": "cors"}):
        named = {"host": "milepost:5003", **more}
        assert put(exposed, "agent", **named).status == 200
        assert "agent" in threads(exposed, **named)
        assert ask(exposed, "GET", "/threads/agent", **named).status == 200
        assert delete(exposed, "agent", **named).status == 204


def test_calls_go_on_under_any_name_on_loopback(opened):
    """A name of this machine's own, in its hosts file."""
    assert put(opened, "aliased", host="milepost:5003").status == 200
    assert delete(opened, "aliased", host="milepost:5003").status == 204


# MARK: what is written down


def test_refusals_are_written_down_and_counted(opened, keyed):
    for server in (opened, keyed):
        assert_refused(delete(server, "t", origin="https://evil.example", x_request_id="foreign"))
        [line] = [line for line in map(json.loads, server.audit.read_text().splitlines()) if line.get("request_id") == "foreign"]
        assert (line["event"], line["outcome"], line["source"]) == ("access", "denied", "127.0.0.1")
        assert "another site" in line["reason"]
        assert "evil" not in server.log_text() + server.audit.read_text()
    page = httpx.get(f"{opened.base_url}/metrics", trust_env=False).text
    [count] = [line.split()[1] for line in page.splitlines() if line.startswith("milepost_access_denials_total")]
    assert float(count) > 0


# MARK: HTTP/2


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """Without authentication, with TLS."""
    directory = tmp_path_factory.mktemp("secure")
    authority = Authority(directory)
    made = authority.server()
    files = ("--tls-certificate-file", str(made.certificate_file), "--tls-key-file", str(made.key_file))
    running = SecureServer("memory:", directory, authority.context(), *files).start()
    running.authority = authority
    yield running
    running.stop()


def test_http2(secure):
    """The same by `:authority`, on both ways of a request."""
    body = json.dumps({"thread_id": "t"}).encode()
    posted = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    cases = [
        (b"127.0.0.1:5003", [], 200),
        (b"127.0.0.1:5003", [(b"origin", b"https://127.0.0.1:5003")], 200),
        (b"localhost", [(b"origin", b"https://localhost")], 200),
        (b"127.0.0.1:5003", [(b"origin", b"https://evil.example")], 403),
        (b"127.0.0.1:5003", [(b"origin", b"null")], 403),
        (b"127.0.0.1:5003", [(b"sec-fetch-site", b"cross-site")], 403),
        # The name that counts is the request's own.
        (b"127.0.0.1:5003", [(b"origin", b"https://evil.example"), (b"host", b"evil.example")], 403),
        (b"evil.example", [(b"origin", b"https://evil.example")], 403),
        (b"milepost", [], 200),
    ]
    with frames.Connection(secure, secure.authority.context(protocols=["h2"])) as connection:
        decoder = hpack.Decoder()
        for number, (authority, more, status) in enumerate(cases):
            stream = 1 + 2 * number
            block = frames.fields(b"POST", b"/checkpoints/get-tuple", [*posted, *more], authority)
            connection.send(frames.frame(frames.HEADERS, frames.END_HEADERS, stream, block))
            connection.send(frames.frame(frames.DATA, frames.END_STREAM, stream, body))
            answer = connection.answer_to(stream)
            assert int(dict(decoder.decode(answer[3]))[":status"]) == status, (authority, more)


def test_http2_through_a_client(secure):
    with Caller(secure, verify=secure.verify, http2=True) as caller:
        own = secure.base_url
        assert caller.client.get("/threads", headers={"origin": own}).status_code == 200
        refused = caller.client.get("/threads", headers={"origin": "https://evil.example"})
        assert refused.http_version == "HTTP/2" and refused.status_code == 403
