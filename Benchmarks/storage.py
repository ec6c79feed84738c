"""Bytes on disk and CPU of what agents keep: the 200-turn conversation, and shapes that are harder or easier."""

import base64
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import conversation
import ids
import servers
import throughput
import words
import workloads
from http_saver import Client, HTTPSaver
from run import Run

MIB = 1024 * 1024
READS = 100
# One put: its channels with their bytes, all other channels keeping the version they have.
Puts = Iterator[dict[str, bytes]]


def measure(run: Run, cluster: servers.Cluster) -> None:
    sizes = [{"messages": 700 * (number + 1)} for number in range(2 * run.turns)]
    if run.wants("storage: conversation"):
        name = f"conversation of {run.turns} turns"
        found, sizes = _conversation(run)
        _report(run, name, found)
        for peer_name in throughput.PEERS:
            with throughput.peer(run, peer_name, cluster) as peer:
                _report(run, name, peer.ask("conversation", turns=run.turns), peer_name)
    shapes: dict[str, Callable[[], Puts]] = {
        "random bytes, in puts of the conversation's sizes": lambda: _random_bytes(sizes),
        "a list of 100 messages, one edited in the middle": lambda: _edited(run.turns),
        "1,000 channels of 100 B, 20 changed at a time": lambda: _many_channels(run.turns // 2),
        "10 MB of text, 1 KiB added at a time": lambda: _large(max(3, run.turns // 20)),
    }
    for name, puts in shapes.items():
        if run.wants(f"storage: {name}"):
            _report(run, name, _shape(run, puts()))


def _report(run: Run, name: str, found: dict[str, Any], contender: str = "milepost") -> None:
    run.results.setdefault("storage", []).append({"name": name, "contender": contender, **found})
    raw = f"{found['raw'] / 1e6:.1f} MB raw, " if "raw" in found else ""
    run.say(f"storage, {name}: {contender} {raw}{found['files'] / 1e6:.2f} MB on disk")


def _conversation(run: Run) -> tuple[dict[str, Any], list[dict[str, int]]]:
    directory = run.folder("store")
    with servers.milepost(directory) as server:
        client = Client(server)
        start = time.perf_counter()
        conversation.converse(HTTPSaver(client), run.turns)
        found = {"seconds": time.perf_counter() - start, **_costs(client), "files_open": servers.bytes_in(directory)}
        tuples = client.call("list", {"thread_id": conversation.THREAD, "limit": 1000})
        found |= _read(client, conversation.THREAD, [item["checkpoint_id"] for item in tuples])
        client.close()
    return found | _closed(directory), client.put_sizes


def _shape(run: Run, puts: Puts) -> dict[str, Any]:
    """Puts one checkpoint after the other into one thread, then reads some and compares the bytes."""
    directory = run.folder("store")
    thread = ids.random_thread_id()
    with servers.milepost(directory) as server:
        client = Client(server)
        start = time.perf_counter()
        kept = _put(client, thread, puts)
        found = {"seconds": time.perf_counter() - start, **_costs(client), "files_open": servers.bytes_in(directory)}
        found |= _read(client, thread, list(kept), kept)
        client.close()
    return found | _closed(directory)


def _put(client: Client, thread: str, puts: Puts) -> dict[str, dict[str, bytes]]:
    """What some of the checkpoints must be read back with."""
    kept: dict[str, dict[str, bytes]] = {}
    versions: dict[str, str] = {}
    current: dict[str, bytes] = {}
    parent = None
    for number, changed in enumerate(puts):
        versions |= dict.fromkeys(changed, workloads.channel_version(number + 1))
        current = {**current, **changed}
        checkpoint = ids.checkpoint_id()
        blobs = [
            {"channel": channel, "version": versions[channel], "type": "msgpack", "blob": workloads.encoded(value)}
            for channel, value in changed.items()
        ]
        document = workloads.document(checkpoint, dict(versions))
        client.call("put", workloads.put_body(thread, checkpoint, parent, document, blobs))
        kept[checkpoint] = current
        parent = checkpoint
    return kept


def _read(
    client: Client, thread: str, checkpoints: list[str], expected: dict[str, dict[str, bytes]] | None = None
) -> dict[str, Any]:
    """Reads checkpoints all over the thread; wrong bytes end the benchmark."""
    client.costs.clear()
    chosen = random.Random(3).choices(checkpoints, k=min(READS, len(checkpoints)))
    for checkpoint in chosen:
        found = client.call("get-tuple", {"thread_id": thread, "checkpoint_id": checkpoint})
        if expected is not None:
            got = {blob["channel"]: base64.b64decode(blob["blob"]) for blob in found["blobs"]}
            if got != expected[checkpoint]:
                raise RuntimeError(f"checkpoint {checkpoint} is not read back as it was put")
    return {"get_cpu_ms": client.costs["get-tuple"].cpu_ms}


def _costs(client: Client) -> dict[str, Any]:
    time.sleep(0.5)
    costs = client.costs
    found = {
        "puts": costs["put"].calls,
        "put_cpu_ms": costs["put"].cpu_ms,
        "raw": sum(cost.blob_bytes for cost in costs.values()),
        "raw_blobs": costs["put"].blob_bytes,
    }
    if "put-writes" in costs:
        found["put_writes_cpu_ms"] = costs["put-writes"].cpu_ms
    return found


def _closed(directory: Any) -> dict[str, int]:
    size = servers.bytes_in(directory)
    servers.remove(directory)
    return {"files": size}


def _random_bytes(sizes: list[dict[str, int]]) -> Puts:
    """What nothing can make smaller: the difference to the conversation is what making that smaller costs."""
    generator = random.Random(5)
    for channels in sizes:
        yield {channel: generator.randbytes(size) for channel, size in channels.items()}


def _edited(count: int) -> Puts:
    generator = random.Random(6)

    def edit(messages: list[Any], _: int) -> None:
        messages[generator.randint(30, 70)] = conversation.answer(generator)

    for version in conversation.message_lists(generator, count, edit):
        yield {"messages": version}


def _many_channels(count: int) -> Puts:
    generator = random.Random(8)
    names = [f"channel-{number}" for number in range(1_000)]
    yield {name: words.data(generator, 100) for name in names}
    for _ in range(count):
        yield {name: words.data(generator, 100) for name in generator.sample(names, 20)}


def _large(count: int) -> Puts:
    generator = random.Random(9)
    value = words.data(generator, 10 * MIB)
    for _ in range(count):
        yield {"documents": value}
        value += words.data(generator, 1024)
