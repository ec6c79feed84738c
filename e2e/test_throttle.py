"""How often one may be wrong, and how often one may ask."""

import concurrent.futures
import time

import pytest

import wire
from security import Caller, KeysFile, assert_status, bearer
from server import answers_ok, wait_until

# Failures a source has at once; after them there is one more each second.
FAILURES = 20
QUESTION = {"thread_id": "nobody"}


@pytest.fixture
def keys(tmp_path):
    return KeysFile(tmp_path / "keys.json")


@pytest.fixture
def serve(start_server, keys):
    return lambda *options: start_server("memory:", "--api-keys-file", str(keys.path), *options)


def ask(server, **headers):
    """Asks for a thread and gives the answer."""
    return wire.post(server.port, "/checkpoints/get-tuple", QUESTION, **headers)


def fail(server, number, **headers):
    """Fails so often, each time with another key, and gives the statuses."""
    return [ask(server, x_api_key=f"mlp_{index}", **headers).status for index in range(number)]


def test_guessing_is_slowed_down(serve, keys):
    good = keys.create()
    server = serve()
    began = time.monotonic()
    statuses = fail(server, 3 * FAILURES)
    allowed = FAILURES + (time.monotonic() - began) + 1
    assert set(statuses) == {401, 429} and statuses[:FAILURES] == [401] * FAILURES
    assert statuses.count(401) <= allowed
    answer = ask(server, x_api_key="mlp_another")
    assert answer.status == 429 and int(answer.headers["retry-after"]) >= 1
    assert "detail" in answer.json()
    # Whoever has a good key does not suffer from a neighbour's guesses.
    for _ in range(50):
        assert ask(server, x_api_key=good).status == 200
    assert answers_ok(f"{server.base_url}/readyz")
    time.sleep(int(answer.headers["retry-after"]) + 0.2)
    assert ask(server, x_api_key="mlp_later").status == 401


def test_asking_without_a_key_counts_too(serve, keys):
    keys.create()
    server = serve()
    statuses = [ask(server).status for _ in range(3 * FAILURES)]
    assert statuses[:FAILURES] == [401] * FAILURES and statuses.count(429) >= FAILURES


def test_a_guess_is_not_answered_while_throttled(serve, keys):
    """A good key among the guesses is found out by nobody who guesses by the dozen from many connections."""
    keys.create()
    server = serve()
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as clients:
        statuses = list(clients.map(lambda index: ask(server, x_api_key=f"mlp_{index}").status, range(400)))
    assert statuses.count(401) <= FAILURES + (time.monotonic() - began) + 2
    assert set(statuses) <= {401, 429}


def test_a_client_does_not_choose_its_address(serve, keys):
    """Without a proxy in front, nothing that a request says makes its failures those of somebody else."""
    keys.create()
    server = serve()
    statuses = [
        ask(server, x_api_key="mlp_x", x_forwarded_for=f"10.0.0.{number}", x_real_ip=f"10.0.0.{number}",
            forwarded=f"for=10.0.0.{number}").status
        for number in range(3 * FAILURES)
    ]
    assert statuses.count(429) >= FAILURES


def test_behind_a_proxy_its_last_word_counts(serve, keys):
    """The proxy adds the address that it saw; what the client put before it is not believed."""
    keys.create()
    server = serve("--behind-tls-proxy")
    spoofed = [ask(server, x_api_key="mlp_x", x_forwarded_for=f"10.0.0.{n}, 192.0.2.1").status for n in range(3 * FAILURES)]
    assert spoofed.count(429) >= FAILURES
    assert ask(server, x_api_key="mlp_x", x_forwarded_for="192.0.2.1, 192.0.2.2").status == 401


def test_many_addresses_cost_little_memory(serve, keys):
    """Whoever names a new address each time fills no memory, and takes nobody's key away."""
    good = keys.create()
    server = serve("--behind-tls-proxy")
    before = server.peak_resident_bytes()
    with wire.connect(server.port) as connection:
        answers = wire.Answers(connection)
        for start in range(0, 30_000, 100):
            heads = [
                wire.head("GET", "/threads", {"host": "h", "x-api-key": "mlp_x", "x-forwarded-for": f"2001:db8::{n:x}"})
                for n in range(start, start + 100)
            ]
            connection.sendall(b"".join(heads))
            assert {answers.next("GET").status for _ in heads} <= {401, 429}
    assert server.peak_resident_bytes() - before < 64 << 20
    assert ask(server, x_api_key=good).status == 200


RATE = 10


def test_a_principal_asks_so_often(serve, keys):
    """In bursts of twice the rate; another principal has a rate of its own."""
    greedy, modest = keys.create("acme"), keys.create("acme")
    server = serve("--rate-limit", str(RATE))
    with Caller.with_key(server, greedy) as first, Caller.with_key(server, modest) as second:
        began = time.monotonic()
        answers = [first.get("/threads") for _ in range(6 * RATE)]
        took = time.monotonic() - began
        statuses = [answer.status_code for answer in answers]
        assert statuses[: 2 * RATE] == [200] * (2 * RATE)
        assert statuses.count(200) <= 2 * RATE + RATE * took + 2
        refused = answers[statuses.index(429)]
        assert int(refused.headers["retry-after"]) >= 1 and "rate-limit" in refused.json()["detail"]
        assert_status(second.get("/threads"), 200)
        # Health is not a matter of anybody's rate.
        assert_status(first.get("/healthz"), 200)
        wait_until(lambda: first.get("/threads").status_code == 200, 3, "it may ask again")


def test_the_rate_holds_on_every_way(serve, keys):
    """Over many connections, in each header, for each call, and in pipelines."""
    key = keys.create()
    server = serve("--rate-limit", str(RATE))
    body = b'{"thread_id":"t"}'
    began, statuses = time.monotonic(), []
    for name, value in (("authorization", f"Bearer {key}"), ("x-api-key", key), ("x-agent-api-key", key)):
        head = {"host": "h", "content-type": "application/json", "content-length": len(body), name: value}
        request = wire.head("POST", "/checkpoints/get-tuple", head) + body
        with wire.connect(server.port) as connection:
            connection.sendall(request * RATE)
            answers = wire.Answers(connection)
            statuses += [answers.next().status for _ in range(RATE)]
        chunked = {"host": "h", "content-type": "application/json", "transfer-encoding": "chunked", name: value}
        slow = wire.head("POST", "/checkpoints/list", chunked) + wire.chunked(body)
        statuses += [wire.exchange(server.port, slow).status for _ in range(RATE)]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 2 * RATE + RATE * (time.monotonic() - began) + 2


def test_no_rate_when_told(serve, keys):
    key = keys.create()
    with Caller(serve("--rate-limit", "0"), bearer(key)) as caller:
        assert {caller.get("/threads").status_code for _ in range(300)} == {200}
