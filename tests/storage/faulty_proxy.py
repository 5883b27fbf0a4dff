"""A proxy that makes a GCS server unreliable, on purpose and counted.

    python tests/storage/faulty_proxy.py http://127.0.0.1:4443

Prints its own address and forwards everything, until this process or the one that
started it ends. `PUT /faults` with one of these chooses what goes wrong from then on,
`GET /faults` tells how often it did and how many spoilt requests were made again:

    {"kind": "none"}
    {"kind": "status", "status": 503, "burst": 3, "period": 20}   also 429
    {"kind": "reset", "burst": 1, "period": 3}       in the middle of an upload
    {"kind": "lost_answer", "burst": 1, "period": 3} the upload is done, nobody says so
    {"kind": "truncated", "burst": 1, "period": 3}   half of a download
    {"kind": "stall", "seconds": 10, "burst": 1, "period": 20}
    {"kind": "gone", "seconds": 60}                  no connection lives meanwhile

Of each `period` requests (uploads, downloads) the last `burst` in a row are hit; a
"limit" ends it after so many. It begins with the first request that contains
"begin", by default at once.
"""

import collections
import ctypes
import http.client
import http.server
import json
import os
import signal
import socket
import socketserver
import struct
import sys
import threading
import time
import urllib.parse

_PR_SET_PDEATHSIG = 1
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}
_UPLOADS, _DOWNLOADS = ("reset", "lost_answer"), ("truncated",)


class Faults:
    """What goes wrong, and how often it did."""

    def __init__(self):
        self._lock = threading.Lock()
        self.choose({"kind": "none"})

    def choose(self, plan):
        with self._lock:
            self.plan, self._seen, self._injected = plan, 0, 0
            self._retries, self._spoilt = 0, collections.Counter()
            self._gone_until, self._has_begun = None, False

    def report(self):
        with self._lock:
            return {
                "injected": self._injected,
                "retries": self._retries,
                "requests": self._seen,
            }

    def next(self, method, path, has_body):
        """The kind of fault that hits this request; "none" for most."""
        with self._lock:
            kind = self.plan["kind"]
            if not self._concerns(kind, method, path, has_body):
                return "none"
            self._seen += 1
            hit = self._is_away() if kind == "gone" else self._is_in_burst()
            if self._spoilt[method, path]:
                self._spoilt[method, path] -= 1
                self._retries += 1
            self._injected += hit
            self._spoilt[method, path] += hit
            return kind if hit else "none"

    def _concerns(self, kind, method, path, has_body):
        if kind == "none":
            return False
        if not self._has_begun and self.plan.get("begin", "") not in path:
            return False
        self._has_begun = True
        if kind in _UPLOADS:
            # The emulator forgets a resumable upload when it ends, where GCS repeats
            # its answer to who asks again.
            is_forgotten = kind == "lost_answer" and "upload_id=" in path
            return has_body and "/upload/" in path and not is_forgotten
        return kind not in _DOWNLOADS or (method == "GET" and "alt=media" in path)

    def _is_in_burst(self):
        burst, period = self.plan["burst"], self.plan["period"]
        if self._injected >= self.plan.get("limit", float("inf")):
            return False
        return (self._seen - 1) % period >= period - burst

    def _is_away(self):
        now = time.monotonic()
        if self._gone_until is None:
            self._gone_until = now + self.plan["seconds"]
        return now < self._gone_until


class Handler(http.server.BaseHTTPRequestHandler):
    """Forwards one connection's requests, or spoils them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Proxy"

    def log_message(self, *_):
        """Says nothing."""

    def _serve(self):
        if self.path == "/faults":
            self._control()
            return
        body_length = int(self.headers.get("Content-Length") or 0)
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        faults = self.server.faults
        kind = faults.next(
            self.command, urllib.parse.unquote(self.path), body_length > 0 or chunked
        )
        if kind == "gone":
            self._hang_up()
        elif kind == "reset":
            self.rfile.read(body_length // 2)
            self._hang_up()
        elif kind == "stall":
            time.sleep(faults.plan["seconds"])
            self._forward(self._body(body_length, chunked))
        elif kind == "status":
            self._body(body_length, chunked)
            reason = {"error": {"code": faults.plan["status"], "message": "injected"}}
            self._answer(faults.plan["status"], [], json.dumps(reason).encode())
        else:
            self._forward(self._body(body_length, chunked), kind)

    # The names that http.server looks for.
    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _control(self):
        if self.command == "PUT":
            length = int(self.headers["Content-Length"])
            self.server.faults.choose(json.loads(self.rfile.read(length)))
        self._answer(200, [], json.dumps(self.server.faults.report()).encode())

    def _body(self, length, chunked):
        if not chunked:
            return self.rfile.read(length)
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _forward(self, body, kind="none"):
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        try:
            upstream.request(self.command, self.path, body=body, headers=kept)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        if kind == "lost_answer":
            self._hang_up()
            return
        here = f"127.0.0.1:{self.server.server_address[1]}"
        headers = [
            (k, v.replace(self.server.upstream, here) if k == "Location" else v)
            for k, v in answer.getheaders()
            if k.lower() not in _HOP_BY_HOP
        ]
        self._answer(answer.status, headers, content, cut=kind == "truncated")

    def _answer(self, status, headers, content, *, cut=False):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._hang_up()

    def _hang_up(self):
        """Ends the connection by a reset, not in good order."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()


class Proxy(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """One thread for each connection."""

    daemon_threads = True

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.faults = upstream, Faults()

    def handle_error(self, request, client_address):
        """Clients that hang up are expected here."""


def main():
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before
        sys.exit(1)
    proxy = Proxy(urllib.parse.urlsplit(sys.argv[1]).netloc)
    print(f"http://127.0.0.1:{proxy.server_address[1]}", flush=True)
    proxy.serve_forever()


if __name__ == "__main__":
    main()
