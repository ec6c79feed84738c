"""HTTP by hand: bytes written to a socket as they are, for what a well-behaved client library would not send."""

import http.client
import io
import json
import socket
from dataclasses import dataclass

TIMEOUT = 60


@dataclass(frozen=True)
class Answer:
    """One response; status 0 stands for a connection that ended without one."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


NO_ANSWER = Answer(0, {}, b"")


def connect(port, host="127.0.0.1"):
    """A connection that sends what it is given at once."""
    connection = socket.create_connection((host, port), timeout=TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def head(method, path, headers, version="1.1"):
    """The request line and headers, in order, with nothing added."""
    lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunked(*parts):
    """A body in transfer-encoding chunked, one chunk a part."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"


class Answers:
    """Reads responses off one connection, one after the other, as pipelined requests get them."""

    def __init__(self, connection):
        self._file = KeptOpen(connection.makefile("rb", buffering=0))

    def makefile(self, _mode):
        """What HTTPResponse asks a socket for; each gets the one file, with what the last one read ahead."""
        return self._file

    def next(self, method="POST"):
        """The next response; raises when there is none."""
        response = http.client.HTTPResponse(self, method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


class KeptOpen(io.BufferedReader):
    """A file that outlives the responses read from it: each would close it at its end."""

    def close(self):
        pass


def exchange(port, request, method="POST"):
    """Sends `request` on a connection of its own and gives the answer, or NO_ANSWER."""
    with connect(port) as connection:
        try:
            connection.sendall(request)
        except OSError:
            pass  # The server may answer and close before it has read a body that it refuses.
        try:
            return Answers(connection).next(method)
        except (OSError, http.client.HTTPException):
            return NO_ANSWER


def post(port, path, body, **headers):
    """POSTs `body`, bytes or a value to be sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"host": f"127.0.0.1:{port}", "content-type": "application/json", "content-length": len(data)}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    return exchange(port, head("POST", path, named) + data)
