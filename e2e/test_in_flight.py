"""The budget for request bodies in memory, and that for answers: many large ones at once, through real sockets."""

import base64
import collections
import contextlib
import json
import os
import re
import select
import socket
import threading

import pytest

import wire
from conftest import STORES, store_url
from server import answers_ok, wait_until

MIB = 1024 * 1024
BODY_LIMIT = 8 * MIB
BUDGET = 16 * MIB
CLIENTS = 50
BLOB = base64.b64encode(os.urandom(5 * MIB))
# What a server of this budget may take at its most: bodies, what is decoded of them, what the store makes of that, and
# the program itself.
MEMORY_LIMIT = 3 * BUDGET + 100 * MIB


@pytest.fixture(params=STORES)
def limited(request, start_server, tmp_path):
    """A server with room for two large bodies."""
    options = ("--max-body-bytes", str(BODY_LIMIT), "--max-in-flight-bytes", str(BUDGET))
    return start_server(store_url(request.param, tmp_path), *options)


def put_parts(thread_id, blob=BLOB):
    """The body of a put in three parts: every client sends the same blob, so that only the server copies it."""
    start = json.dumps({"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {}})[:-1]
    return (f'{start},"blobs":[{{"channel":"c","version":"1","type":"b","blob":"'.encode(), blob, b'"}]}')


def put_head(server, **headers):
    named = {"host": f"127.0.0.1:{server.port}", "content-type": "application/json", **headers}
    return wire.head("POST", "/checkpoints/put", named)


def send_large(server, connection, thread_id, is_chunked):
    """Sends a put of 7 MB, with its length announced or in chunks."""
    parts = put_parts(thread_id)
    if is_chunked:
        connection.sendall(put_head(server, **{"transfer-encoding": "chunked"}))
        pieces = [parts[0], *(BLOB[at : at + 256 * 1024] for at in range(0, len(BLOB), 256 * 1024)), parts[2]]
        for piece in pieces:
            connection.sendall(b"%x\r\n" % len(piece))
            connection.sendall(piece)
            connection.sendall(b"\r\n")
        connection.sendall(b"0\r\n\r\n")
    else:
        connection.sendall(put_head(server, **{"content-length": sum(map(len, parts))}))
        for part in parts:
            connection.sendall(part)


def is_stored(server, thread_id):
    found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id})
    return found.json() is not None and found.json()["blobs"] == []


def put_small(server, thread_id):
    return wire.post(server.port, "/checkpoints/put", b"".join(put_parts(thread_id, b"aGk=")))


@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "chunked"])
def test_many_large_bodies_at_once(limited, is_chunked):
    """Each is stored or told to come back, on a connection that goes on; small requests go on beside them."""
    at_once = threading.Barrier(CLIENTS + 1)
    answers = {}

    def client(number):
        with wire.connect(limited.port) as connection:
            at_once.wait()
            send_large(limited, connection, f"t{number}", is_chunked)
            read = wire.Answers(connection)
            answers[number] = read.next()
            connection.sendall(wire.head("GET", "/healthz", {"host": "h"}))
            assert read.next("GET").status == 200

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in clients:
        thread.start()
    at_once.wait()
    small = [put_small(limited, f"small{number}").status for number in range(50)]
    for thread in clients:
        thread.join()
    assert set(small) == {200}
    counts = collections.Counter(answer.status for answer in answers.values())
    assert counts.keys() <= {200, 503} and counts[200] >= 1 and counts[503] >= 1 and counts.total() == CLIENTS
    for number, answer in answers.items():
        assert (answer.status == 200) == is_stored(limited, f"t{number}")
        if answer.status == 503:
            assert answer.headers["retry-after"] == "1"
            assert "max-in-flight-bytes" in answer.json()["detail"]
    assert limited.peak_resident_bytes() < MEMORY_LIMIT
    assert_all_came_back(limited)


def assert_all_came_back(server):
    """Two of the largest bodies fit again, once the server has seen that the clients before are gone."""
    wait_until(lambda: two_fit(server), 10, "the whole budget is free")


def two_fit(server):
    with wire.connect(server.port) as first, wire.connect(server.port) as second:
        both = (first, second)
        for connection in both:
            connection.sendall(put_head(server, **{"content-length": BODY_LIMIT}))
        for connection in both:
            connection.sendall(b" " * BODY_LIMIT)
        return [wire.Answers(connection).next().status for connection in both] == [422, 422]


@contextlib.contextmanager
def taken(server, sent=b""):
    """The whole budget is taken, by two clients that announce the largest body and send `sent` of it.

    Of three, one is refused, whichever comes last.
    """
    with contextlib.ExitStack() as stack:
        three = [stack.enter_context(wire.connect(server.port)) for _ in range(3)]
        for connection in three:
            connection.sendall(put_head(server, **{"content-length": BODY_LIMIT}) + sent)
        (refused,), _, _ = select.select(three, [], [], 10)
        assert wire.Answers(refused).next().status == 503
        yield
        assert select.select(three, [], [], 0)[0] == []


def put_large(server):
    return wire.post(server.port, "/checkpoints/put", b" " * 100_000)


@pytest.mark.parametrize("sent", [b"", b"{" * 1000], ids=["nothing", "little"])
def test_clients_that_announce_much_and_send_nothing(limited, sent):
    """They keep large bodies out, not small ones, and leave nothing behind when they go."""
    with taken(limited, sent):
        for _ in range(3):
            refused = put_large(limited)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert put_small(limited, "t").status == 200
    assert_all_came_back(limited)
    assert put_large(limited).status == 422


def test_clients_that_leave_in_the_middle(limited):
    """On both ways of a request: 1 MiB and less is collected on the event loop, more is streamed."""
    for length in (1000, MIB, MIB + 1, BODY_LIMIT):
        for _ in range(20):
            with wire.connect(limited.port) as connection:
                connection.sendall(put_head(limited, **{"content-length": length}) + b"x" * (length // 2))
    for _ in range(20):
        with wire.connect(limited.port) as connection:
            connection.sendall(put_head(limited, **{"transfer-encoding": "chunked"}) + b"ffff\r\n" + b"x" * 0x7FFF)
    assert_all_came_back(limited)
    assert answers_ok(f"{limited.base_url}/readyz")


def test_pipelined_requests_keep_their_order(limited):
    """Refused ones between others: each answer is the next request's."""
    with taken(limited), wire.connect(limited.port) as connection:
        sent = []
        for number in range(10):
            for blob, status in ((b"aGk=", 200), (b"aGkh" * 50_000, 503)):
                body = b"".join(put_parts(f"p{number}", blob))
                named = {"content-length": len(body), "x-request-id": f"r{len(sent)}"}
                sent.append((put_head(limited, **named) + body, status))
        threading.Thread(target=connection.sendall, args=(b"".join(data for data, _ in sent),)).start()
        answers = wire.Answers(connection)
        for number, (_, status) in enumerate(sent):
            answer = answers.next()
            assert (answer.status, answer.headers["x-request-id"]) == (status, f"r{number}")


# MARK: answers


def tuple_request(thread_id):
    """Bytes that ask for a thread's newest checkpoint with all that is in it."""
    body = json.dumps({"thread_id": thread_id, "include": ["blobs"]}).encode()
    named = {"host": "h", "content-type": "application/json", "content-length": len(body)}
    return wire.head("POST", "/checkpoints/get-tuple", named) + body


def put_version(server, thread_id, blob=BLOB):
    """The same with the version in the checkpoint, so that get-tuple gives the blob back."""
    body = b"".join(put_parts(thread_id, blob)).replace(b'"checkpoint": {}', b'"checkpoint": {"channel_versions":{"c":"1"}}')
    assert wire.post(server.port, "/checkpoints/put", body).status == 200


@contextlib.contextmanager
def unread_answers(server, thread_id, number):
    """So many clients that ask for a thread and read nothing."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(wire.connect(server.port)) for _ in range(number)]
        for client in clients:
            client.sendall(tuple_request(thread_id))
        yield clients


def test_many_large_answers_at_once(limited):
    """Nobody reads for a while: the server holds as many as it may, and tells the others to come back."""
    put_version(limited, "large")
    put_version(limited, "small", b"aGk=")
    with unread_answers(limited, "large", CLIENTS) as clients:
        wait_until(lambda: len(select.select(clients, [], [], 0)[0]) == CLIENTS, 30, "all answers begin")
        assert wire.exchange(limited.port, tuple_request("small")).status == 200
        answers = [wire.Answers(client).next() for client in clients]
    counts = collections.Counter(answer.status for answer in answers)
    assert counts.keys() <= {200, 503} and counts[200] >= 2 and counts[503] >= 1 and counts.total() == CLIENTS
    refusals = [answer.json()["detail"] for answer in answers if answer.status == 503]
    assert any("max-in-flight-bytes" in detail for detail in refusals), refusals
    for answer in answers:
        if answer.status == 503:
            assert answer.headers["retry-after"] == "1"
        else:
            assert answer.json()["blobs"][0]["blob"].encode() == BLOB
    assert limited.peak_resident_bytes() < MEMORY_LIMIT
    for _ in range(3):
        assert wire.exchange(limited.port, tuple_request("large")).status == 200


def test_answers_that_nobody_waits_for_any_more_leave_nothing_behind(limited):
    put_version(limited, "large")
    for _ in range(3):
        with unread_answers(limited, "large", CLIENTS):
            pass
    asked = tuple_request("large")
    wait_until(lambda: wire.exchange(limited.port, asked).status == 200, 60, "there is room for an answer")
    with unread_answers(limited, "large", 2) as clients:
        assert [wire.Answers(client).next().status for client in clients] == [200, 200]


def test_an_answer_that_is_larger_than_all_that_may_be_held_comes_when_it_is_alone(limited):
    """What could be stored piece by piece can be read."""
    for number in range(4):
        write = {"task_id": f"t{number}", "idx": 0, "channel": "c", "type": "b", "blob": BLOB.decode()}
        body = {"thread_id": "t", "checkpoint_id": "c1", "writes": [write]}
        assert wire.post(limited.port, "/checkpoints/put-writes", body).status == 204
    assert put_small(limited, "t").status == 200
    found = wire.exchange(limited.port, tuple_request("t"))
    assert found.status == 200 and len(found.body) > BUDGET
    assert [write["blob"].encode() for write in found.json()["pending_writes"]] == [BLOB] * 4


# MARK: what is not in flight


def test_a_client_that_waits_for_a_go_ahead_gets_it(limited):
    body = b"".join(put_parts("t", b"aGk="))
    framings = [({"content-length": len(body)}, body), ({"transfer-encoding": "chunked"}, wire.chunked(body))]
    for framing, data in framings:
        with wire.connect(limited.port) as connection:
            for _ in range(2):
                connection.sendall(put_head(limited, expect="100-continue", **framing))
                go = b"HTTP/1.1 100 Continue\r\n\r\n"
                assert connection.recv(len(go), socket.MSG_WAITALL) == go
                connection.sendall(data)
                assert wire.Answers(connection).next().status == 200


def test_a_client_that_waits_for_a_go_ahead_is_refused_without_one(limited):
    refused = [({"content-length": BODY_LIMIT + 1}, b"413"), ({"content-length": MIB}, b"503")]
    with taken(limited):
        for length, status in refused:
            with wire.connect(limited.port) as connection:
                connection.sendall(put_head(limited, expect="100-continue", **length))
                assert connection.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 " + status


SOMETHING_ELSE = {
    "h2c": ("GET", "/healthz", {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c"}, 200),
    "websocket": ("GET", "/nothing", {"connection": "upgrade", "upgrade": "websocket"}, 404),
    "CONNECT": ("CONNECT", "elsewhere:443", {}, 404),
}


@pytest.mark.parametrize("more", [b"", b"x" * 200 * MIB], ids=["alone", "with more"])
@pytest.mark.parametrize("kind", SOMETHING_ELSE)
def test_a_request_to_speak_something_else_ends_its_connection(limited, kind, more):
    """Nothing behind it would be parsed: it is answered, and then there is an end; what follows is not kept."""
    method, path, headers, status = SOMETHING_ELSE[kind]
    ordinary = wire.head("GET", "/healthz", {"host": "h"})
    answers = b""
    with wire.connect(limited.port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(ordinary + wire.head(method, path, {"host": "h", **headers}) + more)
        # A server that hangs up on bytes it did not want resets the connection; what it had sent before is here.
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                answers += part
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"%d" % status]
    assert answers.lower().count(b"\r\nconnection: close\r\n") == 1
    assert limited.peak_resident_bytes() < MEMORY_LIMIT
    assert answers_ok(f"{limited.base_url}/readyz")
