"""The same random requests to a server on each store: status and body must be the same bytes.

What a store may say by itself is how many bytes something takes. `MILEPOST_DIFFERENTIAL_REQUESTS=20000` asks more;
MILEPOST_SEED asks the same again.
"""

import os
import random
import re
from collections import Counter

import pytest

import wire
from conftest import STORES, store_url
from randomrequests import Requests

pytestmark = pytest.mark.breaking

REQUESTS = int(os.environ.get("MILEPOST_DIFFERENTIAL_REQUESTS", "800"))
# `bytes` of a thread, of what is pruned; of a value it is its length, which is the same everywhere.
STORED = re.compile(rb'"(bytes|stored)":\d+')
CHECKPOINT_CALLS = ("get-tuple", "put", "put-writes", "list", "delete-thread", "copy-thread") + (
    "delete-for-runs",
    "prune",
    "delta-channel-history",
)
INSPECTOR_CALLS = ("history", "checkpoint", "difference", "sizes")
MEASURING = ("/threads", "/checkpoints/prune")


@pytest.fixture
def servers(start_server, tmp_path):
    """A server on each store."""
    started = []
    for kind in STORES:
        directory = tmp_path / kind
        directory.mkdir()
        started.append(start_server(store_url(kind, directory)))
    return started


def ask(server, method, path, body):
    """What is compared of an answer."""
    headers = {"host": "127.0.0.1", "content-type": "application/json", "content-length": len(body)}
    answer = wire.exchange(server.port, wire.head(method, path, headers) + body, method)
    text = answer.body
    if path == "/inspector/sizes" and answer.status == 200:
        text = repr(sizes_as_sent(answer.json()))
    elif path.startswith(MEASURING):
        text = STORED.sub(rb'"\1":0', text)
    return answer.status, answer.headers.get("content-type"), text


def sizes_as_sent(sizes):
    """Without what is stored of it, by which channels are in order too."""
    if sizes is None:
        return None
    channels = [{**channel, "stored": 0} for channel in sizes["channels"]]
    return (
        sizes["total"]["logical"],
        [(sizes[part]["count"], sizes[part]["logical"]) for part in ("documents", "writes")],
        sorted(channels, key=lambda channel: (channel["checkpoint_ns"], channel["channel"])),
        [(point["checkpoint_id"], point["ts"], point["logical"], len(point["channels"])) for point in sizes["points"]],
    )


def compare(servers, requests, seed, count):
    """Fails at the first request that is answered differently, and gives how many there were of each status."""
    statuses, before = Counter(), []
    for number in range(count):
        if number == count // 2:
            for server in servers[1:]:
                server.restart()
        request = next(requests)
        answers = [ask(server, *request) for server in servers]
        before = [*before[-7:], request]
        shown = "\n".join(map(repr, before)) + "\n\n" + "\n".join(map(repr, answers))
        assert all(answer == answers[0] for answer in answers), f"MILEPOST_SEED={seed}, request {number}\n{shown}"
        assert answers[0][0] not in (0, 500, 503), f"MILEPOST_SEED={seed}, request {number}\n{shown}"
        path = "/threads/…" if request[1].startswith("/threads/") else request[1].split("?")[0]
        statuses[path, answers[0][0]] += 1
    return statuses


def test_every_store_answers_the_same_bytes(servers, seed):
    statuses = compare(servers, Requests(random.Random(seed)), seed, REQUESTS)
    by_status = Counter()
    for (_, status), number in statuses.items():
        by_status[status] += number
    print(f"{REQUESTS} requests to {len(servers)} stores, 0 differences; answers {dict(sorted(by_status.items()))}")


def test_random_requests_reach_what_they_are_for(start_server):
    """Every call is answered and refused; by a seed of its own, so that it is always the same."""
    statuses = compare([start_server()], Requests(random.Random(7)), 7, 2_000)
    calls = {f"/checkpoints/{call}" for call in CHECKPOINT_CALLS} | {f"/inspector/{call}" for call in INSPECTOR_CALLS}
    reached = {path for path, status in statuses if status in (200, 204)}
    assert reached == calls | {"/threads", "/threads/…"}
    refused = {path for path, status in statuses if status == 422}
    assert refused >= calls
    assert {("/checkpoints/put", 409), ("/checkpoints/delete-thread", 409), ("/threads/…", 404)} <= set(statuses)


@pytest.mark.parametrize(
    "request_of_one",
    [
        ("POST", "/checkpoints/delete-thread", b'{"thread_id": "t1"}'),
        ("POST", "/checkpoints/put", b'{"thread_id": "t1", "checkpoint_id": "zz", "checkpoint": {}}'),
    ],
    ids=["a thread is missing", "a checkpoint is there"],
)
def test_the_comparison_sees_a_difference(servers, request_of_one):
    """One request that one store alone was sent; what is compared is always the same."""
    requests = Requests(random.Random(1))
    compare(servers, requests, 1, 200)
    assert ask(servers[1], *request_of_one)[0] in (200, 204)
    with pytest.raises(AssertionError, match="MILEPOST_SEED=1"):
        compare(servers, requests, 1, 200)
