"""What a saver does when the server, or the way to it, fails; and what it asks for when nothing does."""

import asyncio
import os
import threading

import httpx
import pytest
from server import free_port
from tap import answer, drop, lose, silence

from checkpoints import config_of, ids, save
from langgraph.checkpoint.milepost import (
    AsyncMilepostSaver,
    ConflictError,
    InvalidRequestError,
    MilepostSaver,
    ServerError,
    UnavailableError,
    UnsupportedError,
)

BUSY = answer(503, b'{"detail":"busy"}', retry_after=0)


@pytest.fixture
def surface(open_surface, tap):
    """Each kind of saver behind the tap."""
    return open_surface(tap.base_url)


# MARK: retries


@pytest.mark.parametrize("fault", [BUSY, answer(429, retry_after=0), answer(502), answer(504), drop, lose])
def test_what_may_pass_is_tried_again(surface, tap, thread_id, fault):
    tap.spoil(fault, fault)
    config = save(surface, thread_id, {"a": [1]})
    assert tap.paths == ["/checkpoints/put"] * 3
    tap.spoil(fault)
    surface.put_writes(config, [("a", 1), ("__error__", 2)], "task")
    tap.spoil(fault)
    assert surface.get_tuple(config).pending_writes == [("task", "__error__", 2), ("task", "a", 1)]


@pytest.mark.parametrize("fault", [BUSY, drop])
def test_a_page_is_tried_again_and_no_item_is_lost_or_doubled(surface, tap, thread_id, fault):
    saved = [save(surface, thread_id) for _ in range(101)]
    tap.spoil(fault, None, fault, fault, None)
    assert [found.config for found in surface.list(config_of(thread_id))] == saved[::-1]


def test_a_put_whose_answer_was_lost_is_no_conflict_with_itself(open_surface, tap, thread_id):
    surface = open_surface(tap.base_url, refuse_forks=True)
    tap.spoil(lose)
    first = save(surface, thread_id)
    tap.spoil(lose)
    save(surface, thread_id, parent=first)
    assert len(surface.list(config_of(thread_id))) == 2


def test_a_server_that_stays_busy_is_unavailable(open_surface, tap, thread_id):
    surface = open_surface(tap.base_url, retries=2)
    tap.spoil(*[BUSY] * 3)
    with pytest.raises(UnavailableError, match="busy") as raised:
        surface.get_tuple(config_of(thread_id))
    assert (raised.value.status, raised.value.retry_after) == (503, 0.0)
    assert len(tap.requests) == 3


def test_a_wait_that_is_too_long_is_not_begun(surface, tap, thread_id):
    tap.spoil(answer(503, b'{"detail":"busy"}', retry_after=3600))
    with pytest.raises(UnavailableError) as raised:
        surface.get_tuple(config_of(thread_id))
    assert raised.value.retry_after == 3600
    assert len(tap.requests) == 1


def test_a_server_that_says_nothing_is_given_up(open_surface, tap, thread_id):
    surface = open_surface(tap.base_url, timeout=0.2, retries=1)
    tap.spoil(silence, silence)
    with pytest.raises(UnavailableError, match="ReadTimeout") as raised:
        surface.get_tuple(config_of(thread_id))
    assert isinstance(raised.value.__cause__, httpx.ReadTimeout)
    assert len(tap.requests) == 2


def test_a_slow_answer_is_asked_for_again(open_surface, tap, thread_id):
    surface = open_surface(tap.base_url, timeout=0.5)
    tap.spoil(silence)
    assert surface.get_tuple(config_of(thread_id)) is None


def test_nobody_there_is_unavailable(open_surface, thread_id):
    surface = open_surface(f"http://user:secret@127.0.0.1:{free_port()}", retries=1)
    with pytest.raises(UnavailableError) as raised:
        surface.get_tuple(config_of(thread_id))
    assert "secret" not in str(raised.value)
    assert raised.value.status is None


def test_a_restart_goes_unnoticed(open_surface, own_server, thread_id):
    surface = open_surface(own_server.base_url)
    config = save(surface, thread_id, {"a": [1]})
    own_server.restart()
    assert surface.get_tuple(config).checkpoint["channel_values"] == {"a": [1]}


# MARK: refusals


def test_a_refusal_is_not_tried_again(surface, tap):
    with pytest.raises(InvalidRequestError, match="thread_id: ") as raised:
        surface.get_tuple(config_of("a\0b"))
    assert raised.value.status == 422
    assert raised.value.request_id
    assert len(tap.requests) == 1


def test_lone_surrogates_in_an_id_are_refused(surface):
    with pytest.raises(ValueError, match="thread_id: "):
        surface.get_tuple(config_of("\ud800"))


def test_a_failure_of_the_server_is_not_tried_again(surface, tap, thread_id):
    tap.spoil(answer(500, b'{"message":"Internal Server Error","code":500,"data":null}', x_request_id="r-1"))
    with pytest.raises(ServerError, match="r-1") as raised:
        surface.get_tuple(config_of(thread_id))
    assert raised.value.request_id == "r-1"
    assert len(tap.requests) == 1


def test_a_page_of_a_proxy_is_no_answer(surface, tap, thread_id):
    tap.spoil(answer(200, b"<html>Sign in</html>"))
    with pytest.raises(ServerError, match="not JSON"):
        surface.get_tuple(config_of(thread_id))


def test_a_server_without_the_call_says_so(surface, tap, thread_id):
    tap.spoil(answer(404, b'{"detail":"Not Found"}'))
    with pytest.raises(UnsupportedError):
        surface.copy_thread(thread_id, "other")


def test_a_list_without_values_is_no_list(surface, tap, thread_id):
    """The original server ignores `include`."""
    key = b'"thread_id":"t","checkpoint_ns":"","checkpoint_id":"c","parent_checkpoint_id":null'
    tap.spoil(answer(200, b'[{%s,"checkpoint":{},"metadata":{}}]' % key))
    with pytest.raises(UnsupportedError, match="without their values"):
        surface.list(config_of(thread_id))


def test_two_writers_of_one_thread_do_not_fork_it(open_surface, sqlite_server, thread_id):
    surface = open_surface(sqlite_server.base_url, refuse_forks=True)
    first = save(surface, thread_id)
    second = save(surface, thread_id, parent=first)
    with pytest.raises(ConflictError) as raised:
        save(surface, thread_id, parent=first)
    assert raised.value.head == second["configurable"]["checkpoint_id"]
    with pytest.raises(ConflictError):
        save(surface, thread_id)
    assert [found.config for found in surface.list(config_of(thread_id))] == [second, first]


# MARK: what is asked for


def test_one_connection_carries_one_call_after_the_other(surface, tap, thread_id):
    config = save(surface, thread_id)
    for number in range(20):
        surface.put_writes(config, [("a", number)], f"task-{number}")
        surface.get_tuple(config)
    assert (tap.connections, len(tap.requests)) == (1, 41)


def test_threads_share_connections(tap, thread_id):
    with MilepostSaver(tap.base_url) as saver:
        workers = [threading.Thread(target=save, args=(saver, f"{thread_id}-{n}")) for n in range(20)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(tap.requests) == 20
        before = tap.connections
        for _ in range(20):
            saver.get_tuple(config_of(thread_id))
        assert tap.connections == before


@pytest.mark.parametrize(
    ("limit", "pages", "found"),
    [(None, 3, 250), (0, 0, 0), (1, 1, 1), (100, 1, 100), (101, 2, 101), (250, 3, 250), (1000, 3, 250)],
)
def test_history_is_one_request_a_page(surface, tap, history, limit, pages, found):
    tap.requests.clear()
    listed = surface.list(config_of(history), limit=limit)
    assert tap.paths == ["/checkpoints/list"] * pages
    assert len(listed) == found
    assert [item.checkpoint["channel_values"]["step"] for item in listed] == list(range(249, 249 - found, -1))
    assert all(item.checkpoint["channel_values"]["log"] == ["blob"] for item in listed)


@pytest.fixture(scope="module")
def history(sqlite_server):
    """A thread of 250 checkpoints."""
    name = "history-of-250"
    with MilepostSaver(sqlite_server.base_url) as saver:
        last = None
        for step in range(250):
            last = save(saver, name, {"step": step, "log": ["blob"]}, parent=last)
    return name


def test_who_stops_early_fetches_no_more(tap, history):
    with MilepostSaver(tap.base_url) as saver:
        items = saver.list(config_of(history))
        assert tap.paths == []
        assert len(ids([next(items) for _ in range(100)])) == 100
        assert len(tap.requests) == 1
        next(items)
        assert len(tap.requests) == 2
        items.close()

    async def first():
        async with AsyncMilepostSaver(tap.base_url) as saver:
            return await anext(saver.alist(config_of(history)))

    assert asyncio.run(first()) is not None
    assert len(tap.requests) == 3


def test_nothing_to_write_is_no_request(surface, tap, thread_id):
    surface.put_writes(config_of(thread_id, "c"), [], "task")
    assert tap.paths == []


def test_who_asks_is_in_the_headers(open_surface, tap, thread_id):
    surface = open_surface(tap.base_url, api_key="key-1", headers={"X-Team": "blue"})
    surface.get_tuple(config_of(thread_id))
    [(_, headers, _)] = tap.requests
    assert headers["authorization"] == "Bearer key-1"
    assert headers["x-team"] == "blue"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("langgraph-checkpoint-milepost")
    assert "key-1" not in repr(surface.saver)


@pytest.mark.parametrize("url", ["127.0.0.1:5003", "ftp://host", "http://", "", "/path"])
@pytest.mark.parametrize("saver", [MilepostSaver, AsyncMilepostSaver])
def test_what_is_no_url_is_refused_at_once(saver, url):
    with pytest.raises(ValueError, match="URL"):
        saver(url)


def test_a_url_may_have_a_path(tap, thread_id):
    with MilepostSaver(f"{tap.base_url}/behind/a/proxy/") as saver, pytest.raises(UnsupportedError):
        saver.get_tuple(config_of(thread_id))
    assert tap.paths == ["/behind/a/proxy/checkpoints/get-tuple"]


# MARK: processes, threads and loops


def test_a_closed_saver_is_closed(surface, thread_id, tap):
    surface.get_tuple(config_of(thread_id))
    surface.shut()
    with pytest.raises(RuntimeError, match="closed"):
        surface.get_tuple(config_of(thread_id))


def test_several_event_loops_use_one_saver(tap, thread_id):
    saver = AsyncMilepostSaver(tap.base_url)
    config = save(saver, thread_id, {"a": [1]})
    barrier = threading.Barrier(3)

    async def read():
        first = await saver.aget_tuple(config)
        barrier.wait()  # All loops are alive at once.
        return first, await saver.aget_tuple(config)

    found = []
    workers = [threading.Thread(target=lambda: found.append(asyncio.run(read()))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 3
    assert {one.config["configurable"]["checkpoint_id"] for pair in found for one in pair} == {
        config["configurable"]["checkpoint_id"]
    }
    assert asyncio.run(saver.aget_tuple(config)) is not None  # One loop after the other, too.
    asyncio.run(saver.aclose())


def test_blocking_methods_of_an_asynchronous_saver_work_in_worker_threads(tap, thread_id):
    async def mixed():
        async with AsyncMilepostSaver(tap.base_url) as saver:
            config = await saver.aput(config_of(thread_id), checkpoint_of(1), {"source": "loop"}, {})
            await asyncio.to_thread(saver.put_writes, config, [("a", 1)], "task")
            found = await asyncio.gather(*(asyncio.to_thread(saver.get_tuple, config) for _ in range(8)))
            listed = await asyncio.to_thread(lambda: list(saver.list(config_of(thread_id))))
            return found, listed, saver.get_tuple(config), await saver.aget_tuple(config)

    found, listed, on_the_loop, awaited = asyncio.run(mixed())
    assert found == [awaited] * 8
    assert (listed, on_the_loop) == ([awaited], awaited)


def checkpoint_of(step):
    """A checkpoint without values."""
    return {
        "v": 4,
        "id": f"c{step}",
        "ts": "2026-01-02T03:04:05+00:00",
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
        "updated_channels": None,
    }


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_child_of_a_fork_has_connections_of_its_own(tap, thread_id):
    with MilepostSaver(tap.base_url) as saver:
        save(saver, thread_id)
        child = os.fork()
        if child == 0:
            os._exit(0 if saver.get_tuple(config_of(thread_id)) else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert saver.get_tuple(config_of(thread_id)) is not None
    assert tap.connections == 2


def test_many_tasks_at_once(tap, thread_id):
    async def run():
        async with AsyncMilepostSaver(tap.base_url) as saver:
            await asyncio.gather(
                *(saver.aput(config_of(f"{thread_id}-{n}"), checkpoint_of(n), {}, {}) for n in range(300))
            )

    asyncio.run(run())
    assert len(tap.requests) == 300
    assert tap.connections <= 100
