"""A relay between a client and a server that counts connections and requests, and spoils those it is told to."""

import http.client
import socket
import socketserver
import threading
from collections import deque

HOP_HEADERS = {"connection", "transfer-encoding", "content-length"}
LIMIT = 60


class Tap:
    """One relay. `spoil` puts a fault in line: each request takes the first one that waits."""

    def __init__(self, port):
        self.upstream = port
        self.connections = 0
        self.requests = []
        self.released = threading.Event()
        self._faults = deque()
        self._server = _Listener(("127.0.0.1", 0), _Connection)
        self._server.tap = self
        self.port = self._server.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}"

    def spoil(self, *faults):
        """Faults for the next requests: `drop`, `lose`, `silence`, `answer(...)`, or `None` for none."""
        self._faults.extend(faults)

    def next_fault(self):
        """The fault of the request that has just arrived."""
        return self._faults.popleft() if self._faults else None

    @property
    def paths(self):
        """The path of each request so far, in the order in which they came."""
        return [path for path, _, _ in self.requests]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def drop(connection, request):
    """Hangs up before the server hears of the request."""
    connection.hang_up()


def lose(connection, request):
    """Lets the server do what was asked, then hangs up instead of answering."""
    connection.forward(*request)
    connection.hang_up()


def silence(connection, request):
    """Answers nothing, and keeps the connection until the client gives it up."""
    connection.request.settimeout(LIMIT)
    connection.request.recv(1)
    connection.hang_up()


def answer(status, body=b"{}", **headers):
    """A fault that answers this instead of asking the server."""

    def reply(connection, request):
        named = [(name.replace("_", "-"), str(value)) for name, value in headers.items()]
        connection.reply(status, named, body)

    return reply


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.tap = self.server.tap
        self.tap.connections += 1
        self.open = True
        self._server_side = http.client.HTTPConnection("127.0.0.1", self.tap.upstream, timeout=LIMIT)

    def handle(self):
        try:
            while self.open:
                request = self._read()
                if request is None:
                    return
                self.tap.requests.append(request)
                fault = self.tap.next_fault()
                if fault is None:
                    self.reply(*self.forward(*request))
                else:
                    fault(self, request)
        except OSError:
            pass  # The client hung up, which is its right.
        finally:
            self._server_side.close()

    def _read(self):
        line = self.rfile.readline()
        if not line:
            return None
        headers = http.client.parse_headers(self.rfile)
        body = self.rfile.read(int(headers.get("content-length", 0)))
        return line.decode().split()[1], headers, body

    def forward(self, path, headers, body):
        """The server's answer to a request."""
        passed = {name: value for name, value in headers.items() if name.lower() not in HOP_HEADERS}
        self._server_side.request("POST", path, body, passed)
        response = self._server_side.getresponse()
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_HEADERS]
        return response.status, kept, response.read()

    def reply(self, status, headers, body):
        """Answers the client."""
        length = [] if status == 204 else [("content-length", str(len(body)))]
        lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in [*headers, *length])]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def hang_up(self):
        """Ends the connection."""
        self.open = False
        self.request.shutdown(socket.SHUT_RDWR)
