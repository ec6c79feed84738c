"""Thousands of connections that behave badly, from a process of their own: storm.py PORT SILENT EACH THREAD.

SILENT connections say nothing, and EACH of every other kind do what that kind does. Who is hung up on comes again. It
waits most of the time, so that what a server is slowed down by is not this. THREAD has a large checkpoint.
"""

import collections
import json
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

import wire

# Each connection has its turn once a period, and a slice of them every moment: no burst of all at once.
PERIOD, SLICES = 1.0, 20
LARGE = 100 << 20
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def call(name, length):
    """The head of a call whose body has, or claims to have, that length; None for one in chunks."""
    framing = {"transfer-encoding": "chunked"} if length is None else {"content-length": length}
    named = {"host": "h", "content-type": "application/json", **framing}
    return wire.head("POST", f"/checkpoints/{name}", named)


@dataclass(frozen=True)
class Kind:
    """One way to behave: what is sent at once, what each period, how much is read, and what it may be answered with."""

    begin: bytes
    trickle: bytes = b""
    read: int = 1 << 16
    half_closed: bool = False
    answers: frozenset = frozenset()


def kinds(thread):
    """All of them but the silent one, by name."""
    asked = json.dumps({"thread_id": thread, "include": ["blobs"]}).encode()
    small = json.dumps({"thread_id": "nobody"}).encode()
    large = call("get-tuple", len(asked)) + asked
    tuple_of_nobody = call("get-tuple", len(small)) + small
    good, hung_up = frozenset({200}), frozenset()
    return {
        "slow head": Kind(b"POST /checkpoints/put HTTP/1.1\r\nhost: h\r\nx-a: ", b"a", answers=hung_up),
        "slow body": Kind(call("put", 1_000_000) + b"{", b" ", answers=hung_up),
        "body as slow as may be": Kind(call("put", 10_000_000) + b"{", b" " * 2048, answers=frozenset({503})),
        "chunks without end": Kind(call("put", None), b"800\r\n" + b" " * 2048 + b"\r\n", answers=frozenset({503})),
        "length too long": Kind(call("get-tuple", len(small) + 1000) + small, answers=hung_up),
        "length too short": Kind(call("get-tuple", len(small) - 4) + small, answers=frozenset({400, 422})),
        "oversized": Kind(call("put", LARGE) + b" " * 65536, b" " * 2048, answers=frozenset({413})),
        "pipelined": Kind(tuple_of_nobody * 20, tuple_of_nobody, answers=good),
        "slow reader": Kind(large * 20, read=1024, answers=good | {503}),
        "half closed": Kind(tuple_of_nobody, half_closed=True, answers=good),
        "half closed within": Kind(call("put", 1000) + b"{", half_closed=True, answers=hung_up | {400}),
    }


class Abuser:
    """One connection of a kind, which is opened anew whenever it has ended."""

    def __init__(self, port, place, kind):
        self._port, self._place, self._kind = port, place, kind
        self._connection = None
        self._unsent = b""
        self.opened, self.refused = 0, 0
        self.answers = collections.Counter()

    @property
    def is_open(self):
        return self._connection is not None

    def open(self):
        """Connects from an address of loopback that can have that many ports, and sends the beginning."""
        try:
            connection = socket.socket()
            connection.bind((f"127.0.0.{1 + self._place % 4}", 0))
            if self._kind.read < 65536:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            connection.connect(("127.0.0.1", self._port))
        except OSError:
            connection.close()
            self.refused += 1
            return
        self.opened += 1
        self._connection, self._unsent, self._tail = connection, self._kind.begin, b""
        connection.setblocking(False)
        self._send()
        if self._kind.half_closed and self.is_open:
            connection.shutdown(socket.SHUT_WR)

    def turn(self):
        """What it does once a period."""
        if not self.is_open:
            return self.open()
        self._read()
        if self.is_open:
            if not self._unsent:
                self._unsent = self._kind.trickle
            self._send()

    def _send(self):
        try:
            while self._unsent:
                self._unsent = self._unsent[self._connection.send(self._unsent):]
        except BlockingIOError:
            pass
        except OSError:
            self._read(to_end=True)
            self.close()

    def _read(self, to_end=False):
        left = self._kind.read
        try:
            while left > 0 or to_end:
                part = self._connection.recv(65536 if to_end else min(left, 65536))
                if not part:
                    return self.close()
                left -= len(part)
                seen = self._tail + part
                self.answers.update(int(status) for status in STATUS.findall(seen))
                self._tail = b"" if STATUS.search(seen[-12:]) else seen[-12:]
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def close(self):
        if self.is_open:
            self._connection.close()
        self._connection = None


def run(port, silent, each, thread):
    """Goes on until it is told to end; then says what it saw."""
    named = {"silent": Kind(b""), **kinds(thread)}
    groups = {name: [] for name in named}
    every = []
    for name, kind in named.items():
        for _ in range(silent if name == "silent" else each):
            groups[name].append(Abuser(port, len(every), kind))
            every.append(groups[name][-1])
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    for abuser in every:
        abuser.open()
    print(json.dumps({"open": sum(abuser.is_open for abuser in every)}), flush=True)
    turn = 0
    while not ending:
        for abuser in every[turn % SLICES :: SLICES]:
            abuser.turn()
        turn += 1
        time.sleep(PERIOD / SLICES)
    print(json.dumps({name: seen(group) for name, group in groups.items()}), flush=True)


def seen(group):
    answers = sum((abuser.answers for abuser in group), collections.Counter())
    return {
        "opened": sum(abuser.opened for abuser in group),
        "refused": sum(abuser.refused for abuser in group),
        "open": sum(abuser.is_open for abuser in group),
        "answers": {str(status): count for status, count in sorted(answers.items())},
    }


@dataclass
class Storm:
    """The process, as a test starts, pauses and ends it; `seen` has, at the end, what each kind was answered with."""

    port: int
    silent: int
    each: int
    thread: str
    open: int = 0
    seen: dict = field(default_factory=dict)

    def __enter__(self):
        command = [sys.executable, __file__, str(self.port), str(self.silent), str(self.each), self.thread]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.open = json.loads(self._process.stdout.readline())["open"]
        return self

    def __exit__(self, *_):
        self.resume()
        self._process.terminate()
        output, _ = self._process.communicate(timeout=60)
        self.seen = json.loads(output)

    def pause(self):
        """All connections stay, and nobody does anything."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    run(*map(int, sys.argv[1:4]), sys.argv[4])
