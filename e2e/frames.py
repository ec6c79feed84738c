"""HTTP/2 by hand: frames written to a connection as they are, for what a well-behaved client library would not send."""

import socket
import struct
import time

import hpack

import wire

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
CANCEL = 8
# The first entry of HPACK's static table that a name of its own is appended after.
NEW_NAME_NOT_INDEXED, NEW_NAME_INDEXED = b"\x00", b"\x40"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def integer(value, bits):
    """HPACK's form of a number, RFC 7541 section 5.1, whose first byte has no other bits set."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([value])
    value -= limit
    rest = bytearray()
    while value >= 128:
        rest.append(value & 127 | 128)
        value >>= 7
    return bytes([limit, *rest, value])


def literal(name, value, begins=NEW_NAME_NOT_INDEXED):
    """One header field, neither compressed nor, unless it begins so, remembered."""
    return b"".join((begins, integer(len(name), 7), name, integer(len(value), 7), value))


def fields(method, path, more=(), authority=b"h", scheme=b"https"):
    """The header block of a request."""
    pseudo = [(b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", path)]
    return b"".join(literal(name, value) for name, value in (*pseudo, *more))


class Connection:
    """One connection of HTTP/2; what comes back is kept as (kind, flags, stream, payload)."""

    def __init__(self, server, context, *pairs):
        plain = wire.connect(server.port)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        assert self._socket.selected_alpn_protocol() == "h2"
        self.frames, self._unread, self.is_ended = [], b"", False
        self.send(PREFACE + settings(*pairs))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, data):
        """Sends what it can; gives False when the server has hung up."""
        try:
            self._socket.settimeout(10)
            self._socket.sendall(data)
        except OSError:
            self.is_ended = True
        return not self.is_ended

    def read(self, until=lambda frame: False, limit=3.0):
        """Reads frames until one is what is waited for; gives that one, or None when time or the connection is over."""
        deadline = time.monotonic() + limit
        while True:
            while len(self._unread) >= 9 and len(self._unread) >= 9 + self._length():
                end = 9 + self._length()
                kind, flags, stream = struct.unpack(">BBI", self._unread[3:9])
                found = (kind, flags, stream, self._unread[9:end])
                self._unread = self._unread[end:]
                self.frames.append(found)
                if until(found):
                    return found
            left = deadline - time.monotonic()
            if left <= 0 or self.is_ended:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(1 << 16)
            except (TimeoutError, socket.timeout):
                return None
            except OSError:
                data = b""
            self.is_ended = not data
            self._unread += data

    def _length(self):
        return int.from_bytes(self._unread[:3], "big")

    def answer_to(self, stream, limit=5.0):
        """The first frame that the server sent for a stream, or about the whole connection to end it."""
        return self.read(lambda found: found[2] == stream and found[0] in (HEADERS, RST_STREAM) or found[0] == GOAWAY, limit)

    def end(self, limit=5.0):
        """Whether the server says that the connection ends, or ends it."""
        return self.read(lambda found: found[0] == GOAWAY, limit) is not None or self.is_ended


def status(found):
    """The status in a HEADERS frame whose encoder is at its beginning, where it stands first; else None."""
    if found is None or found[0] != HEADERS:
        return None
    return int(dict(hpack.Decoder().decode(found[3]))[":status"])
