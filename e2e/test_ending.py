"""Ending: what a signal, an unfinished request and a kill leave behind."""

import json
import signal
import time

import pytest

import wire
from server import answers_ok, wait_until

# The server gives requests in flight ten seconds; the rest is for closing the store on a busy machine.
DRAIN_LIMIT = 12.5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_properly(start_server, sqlite_store, tmp_path, number):
    server = start_server(sqlite_store)
    server.stop(number)
    assert sorted(path.name for path in tmp_path.glob("milepost.db-*")) == []


def half_a_request(server, body):
    """Sends a request up to the middle of its body, and gives the connection."""
    connection = wire.connect(server.port)
    headers = {"host": "127.0.0.1", "content-type": "application/json", "content-length": len(body)}
    connection.sendall(wire.head("POST", "/checkpoints/put", headers) + body[: len(body) // 2])
    return connection


def has_stopped_listening(server):
    try:
        wire.connect(server.port).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_request_in_flight_gets_its_answer(start_server, sqlite_store, thread_id, number):
    """The rest of the body comes after the signal; the answer is a 200, and the checkpoint is there after a restart."""
    server = start_server(sqlite_store)
    body = json.dumps({"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {"id": "c1"}}).encode()
    with half_a_request(server, body) as connection:
        # The server has the first half for certain once it has answered another request that was sent after it.
        assert answers_ok(f"{server.base_url}/healthz")
        server.process.send_signal(number)
        wait_until(lambda: has_stopped_listening(server), DRAIN_LIMIT, "no new connection is taken")
        connection.sendall(body[len(body) // 2 :])
        answer = wire.Answers(connection).next()
    assert (answer.status, answer.json()["checkpoint_id"]) == (200, "c1")
    assert server.wait() == 0
    server.start()
    found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id})
    assert found.json()["checkpoint_id"] == "c1"


def test_a_client_that_never_finishes_does_not_keep_it_running(start_server):
    server = start_server()
    with half_a_request(server, b"x" * 100), wire.connect(server.port):
        assert answers_ok(f"{server.base_url}/healthz")
        began = time.monotonic()
        server.process.terminate()
        assert server.wait(DRAIN_LIMIT) == 0
        assert time.monotonic() - began < DRAIN_LIMIT


def test_an_idle_connection_does_not_delay_the_end(start_server):
    server = start_server()
    with wire.connect(server.port) as connection:
        headers = {"host": "127.0.0.1"}
        connection.sendall(wire.head("GET", "/healthz", headers))
        assert wire.Answers(connection).next("GET").status == 200
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5


def test_a_store_that_was_killed_opens_again(start_server, sqlite_store, thread_id):
    server = start_server(sqlite_store)
    body = {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {}}
    assert wire.post(server.port, "/checkpoints/put", body).status == 200
    server.kill()
    server.start()
    assert wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id}).json() is not None
