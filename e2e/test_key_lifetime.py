"""API keys over time: revoked, expired, in a file that changes or is damaged, and guessed at with a stopwatch."""

import datetime
import json
import statistics
import time

import pytest

import test_startup as startup
import wire
from security import (
    RELOAD_LIMIT,
    REVOCATION_LIMIT,
    Caller,
    assert_status,
    assert_unauthorized,
    wait_for_status,
)
from server import wait_until
from test_keys import keys, serve  # noqa: F401  (fixtures)


def test_a_revoked_key_ends_within_two_seconds(serve, keys):  # noqa: F811
    gone, stays = keys.create(note="gone"), keys.create(note="stays")
    server = serve()
    with Caller.with_key(server, gone) as caller, Caller.with_key(server, stays) as other:
        assert_status(caller.call("get-tuple", {"thread_id": "t"}), 200)
        keys.revoke(keys.id_of("gone"))
        wait_for_status(caller, 401, REVOCATION_LIMIT)
        # On the connection that was open before, too, and for good.
        assert_unauthorized(caller.call("get-tuple", {"thread_id": "t"}))
        assert_status(other.call("get-tuple", {"thread_id": "t"}), 200)
        assert [key["note"] for key in keys.list() if not key.get("revoked")] in (["stays"], ["gone", "stays"])


def test_a_new_key_works_without_a_restart(serve, keys):  # noqa: F811
    keys.create()
    server = serve()
    with Caller.with_key(server, keys.create()) as caller:
        wait_for_status(caller, 200)


def test_a_key_expires(serve, keys):  # noqa: F811
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
    key = keys.create(expires=end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    stays = keys.create(expires="1d")
    server = serve()
    with Caller.with_key(server, key) as caller, Caller.with_key(server, stays) as other:
        assert_status(caller.get("/threads"), 200)
        wait_until(lambda: caller.get("/threads").status_code == 401, 6, "the key has expired")
        assert_unauthorized(caller.get("/threads"))
        assert_status(other.get("/threads"), 200)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"keys":[{}]}', "\0"], ids=repr)
def test_a_damaged_file_lets_nobody_else_in(serve, keys, content):  # noqa: F811
    """While the server runs: whoever had a key may go on, nobody new gets in, and the next good file is taken."""
    key, good = keys.create(), keys.path.read_text()
    server = serve()
    keys.path.write_text(content)
    time.sleep(RELOAD_LIMIT / 2)
    for wrong in ("mlp_", "mlp_wrong", content or "x"):
        assert wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": "t"}, x_api_key=repr(wrong)).status == 401
    assert wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": "t"}).status == 401
    keys.path.write_text(good)
    with Caller.with_key(server, key) as caller:
        wait_for_status(caller, 200)


@pytest.mark.parametrize("how", ["missing", "empty", "no JSON", "a directory"])
def test_a_file_that_cannot_be_read_does_not_start(tmp_path, how):
    """Not open, and not started."""
    path = tmp_path / "keys.json"
    if how == "a directory":
        path.mkdir()
    elif how != "missing":
        path.write_text("" if how == "empty" else "{")
        path.chmod(0o600)
    ended = startup.serve("memory:", "--api-keys-file", path)
    assert ended.returncode in (1, 64) and str(path) in ended.stderr


# MARK: timing


SAMPLES = 1500


def test_a_near_miss_takes_no_longer(serve, keys):  # noqa: F811
    """Keys that share all but their end with a good one are refused as fast as any: a guess learns nothing from time.

    Each is sent at most once a second to the throttle; what is measured is the same for both, so that is no matter.
    """
    key = keys.create()
    server = serve()
    end = "0" if key[-1] != "0" else "1"
    candidates = {"near": key[:-1] + end, "far": "mlp_" + key[4:][::-1]}
    times = {name: [] for name in candidates}
    body = json.dumps({"thread_id": "t"}).encode()
    with wire.connect(server.port) as connection:
        answers = wire.Answers(connection)
        for _ in range(SAMPLES):
            for name, candidate in candidates.items():
                head = {"host": "h", "content-type": "application/json", "content-length": len(body), "x-api-key": candidate}
                request = wire.head("POST", "/checkpoints/get-tuple", head) + body
                began = time.perf_counter()
                connection.sendall(request)
                status = answers.next().status
                times[name].append(time.perf_counter() - began)
                assert status in (401, 429)
    near, far = statistics.median(times["near"]), statistics.median(times["far"])
    assert abs(near - far) < 0.2 * max(near, far), f"near {near * 1e6:.1f} us, far {far * 1e6:.1f} us"
