"""What Milepost depends on is slow, or comes and goes: a disk whose flushes take long, a provider that flaps or hangs.

`test_agentex_auth.py` has a provider that is gone, `test_traces.py` a collector that is.
"""

import threading
import time

import pytest

import load
import patient
from preloaded import Preloaded
from provider import Provider
from security import Caller, KeysFile, bearer, checkpoint, new_thread
from server import wait_until

pytestmark = pytest.mark.alone

CLIENTS = 16
FLUSH = 0.25
ADA = {"principal_context": {"user_id": "ada", "account_id": "acme"}, "user_id": "ada"}


class SlowDisk(Preloaded):
    """Makes the flushes of programs that get its `environment` take so many seconds more: none at first."""

    def __init__(self, directory):
        super().__init__("slow_disk", directory)

    def set(self, seconds):
        self.write(int(seconds * 1_000_000))


def took(call):
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_a_slow_disk_slows_changes_down_together_and_no_reads(start_server, tmp_path, sqlite_store, seed):
    """One flush serves all who wait for one: sixteen clients do not wait sixteen times; reads do not wait at all."""
    disk = SlowDisk(tmp_path)
    server = start_server(sqlite_store, environment=disk.environment)
    client = load.Client(server.port)
    with patient.PatientLoad(server.port, "slow", seed, CLIENTS) as running:
        wait_until(lambda: running.acknowledged > CLIENTS, 30, "changes are stored")
        disk.set(FLUSH)
        time.sleep(2 * FLUSH)
        for writer in running.writers:
            writer.slowest = 0.0
        before, began = running.acknowledged, time.monotonic()
        reads = []
        while time.monotonic() - began < 20 * FLUSH:
            asked = {"thread_id": running.writers[0].thread_id}
            reads.append(took(lambda asked=asked: client.post("get-tuple", asked)))
        flushes = (time.monotonic() - began) / FLUSH
        done = running.acknowledged - before
        slowest = max(writer.slowest for writer in running.writers)
        disk.set(0)
    reads.sort()
    print(
        f"\nslow disk: {done} changes in {flushes:.0f} flushes of {FLUSH * 1000:.0f} ms, the slowest {slowest:.2f} s; "
        f"{len(reads)} reads, the median {reads[len(reads) // 2] * 1000:.1f} ms"
    )
    # One by one, sixteen would get as many changes as there are flushes, and one of them would wait for sixteen.
    assert done > 2 * flushes
    assert FLUSH < slowest < CLIENTS * FLUSH
    assert reads[len(reads) // 2] < FLUSH
    patient.check(server.port, running.writers)


def test_a_provider_that_flaps_never_lets_in_who_may_not(start_server):
    """It says no, fails, hangs up and says yes in turn: whoever may not is never let in, whoever may comes in again."""
    mood, changed = {"is_well": True}, threading.Lock()

    def decide(principal, operation, thread):
        with changed:
            if not mood["is_well"]:
                return 503, {}
        return 200 if thread.startswith("mine") else 403

    callers = {"Bearer ada": ADA}
    with Provider(callers, decide) as provider:
        server = start_server("memory:", "--agentex-auth-url", provider.url)
        seen = {"mine": set(), "yours": set()}
        with Caller(server, bearer("ada")) as ada:
            ada.do("put", checkpoint("mine"))
            for turn in range(60):
                with changed:
                    mood["is_well"] = turn % 3 != 0
                for thread in seen:
                    seen[thread].add(ada.call("get-tuple", {"thread_id": thread}).status_code)
            with changed:
                mood["is_well"] = True
            limit = 40
            wait_until(lambda: ada.call("get-tuple", {"thread_id": "mine"}).status_code == 200, limit, "it is well again")
    assert seen["mine"] <= {200, 503} and seen["mine"] >= {503}
    assert seen["yours"] <= {403, 404, 503}


def test_a_provider_that_hangs_holds_up_nobody_who_does_not_need_it(start_server, tmp_path):
    """Fifty who wait for it, and somebody with a key: who is answered as ever."""
    woken = threading.Event()
    keys = KeysFile(tmp_path / "keys.json")
    key = keys.create()
    with Provider({"Bearer ada": ADA}, lambda *_: woken.wait(90) and 200) as provider:
        server = start_server("memory:", "--api-keys-file", str(keys.path), "--agentex-auth-url", provider.url)

        def wait_for_it():
            with Caller(server, bearer("ada")) as ada:
                ada.call("get-tuple", {"thread_id": new_thread()})

        waiting = [threading.Thread(target=wait_for_it) for _ in range(50)]
        for each in waiting:
            each.start()
        try:
            wait_until(lambda: provider.requests_to(Provider.CHECK), 30, "they wait for the provider")
            with Caller(server, bearer(key)) as caller:
                slowest = max(took(lambda: caller.do("put", checkpoint(new_thread()))) for _ in range(50))
        finally:
            woken.set()
            for each in waiting:
                each.join()
    assert slowest < 2.0, f"{slowest:.2f} s"
