"""A small file that several processes replace, each knowing what it replaces.

    found = read(path)
    if not exchange(path, found, b"mine"):
        ...  # another process was faster

On a disk one process at a time may exchange; Google Cloud Storage compares generations.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from typing import NamedTuple

from etils import epath

from sisr_jax.storage.failures import reporting
from sisr_jax.storage.files import check_file, is_remote


class Found(NamedTuple):
    """A file as it was read.

    Attributes:
        content: What it held; None if there was none.
        version: Changes whenever the file does.
    """

    content: bytes | None
    version: bytes | str


_UPLOAD = "/upload/storage/v1/b/{}/o"
_BOUNDARY = "sisr-jax-part"
_ABSENT = Found(None, "0")  # the generation of an object that is not there


def read(path: epath.Path) -> Found:
    """Reads a file, which may change at any time.

    Raises:
        InputError: If something else than a file is in its place.
        StorageError: Naming the file, if the storage fails.
    """
    check_file(path)
    with reporting(f"{path}: reading"):
        try:
            if is_remote(path):
                return _read_object(path)
            content = path.read_bytes()
        except FileNotFoundError:
            return _ABSENT
        return Found(content, content)


def exchange(path: epath.Path, found: Found, content: bytes | None) -> bool:
    """Replaces or removes a file, unless it has changed since.

    Args:
        path: The file; its folder exists.
        found: What was read.
        content: The new content; None removes the file.

    Returns:
        Whether the file is now as asked; if not, another process was faster.

    Raises:
        StorageError: Naming the file, if the storage fails.
    """
    with reporting(f"{path}: writing"):
        if is_remote(path):
            return _exchange_object(path, found, content)
        with _alone_in(path.parent):
            if read(path) != found:
                return False
            if content is None:
                path.unlink(missing_ok=True)
                return True
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            temporary.write_bytes(content)
            temporary.replace(path)
            return True


@contextlib.contextmanager
def _alone_in(folder: epath.Path) -> Iterator[None]:
    """Waits for other processes that exchange a file of a local folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Not every network file system can lock a folder. What remains then is the
        # moment between reading and replacing.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_object(path: epath.Path) -> Found:
    import fsspec  # comes with gcsfs, which a disk does not need

    client = fsspec.filesystem("gcs")
    bucket, name, _ = client.split_path(str(path))
    about = client.call("GET", "b/{}/o/{}", bucket, name, json_out=True)
    return Found(client.cat_file(str(path)), about["generation"])


def _exchange_object(path: epath.Path, found: Found, content: bytes | None) -> bool:
    import fsspec

    client = fsspec.filesystem("gcs")
    bucket, name, _ = client.split_path(str(path))
    condition = {"ifGenerationMatch": found.version}
    try:
        if content is None:
            client.call("DELETE", "b/{}/o/{}", bucket, name, **condition)
        else:
            client.call(
                "POST",
                client.url(str(path)).split("/download/")[0] + _UPLOAD,
                bucket,
                uploadType="multipart",
                headers={"Content-Type": f"multipart/related; boundary={_BOUNDARY}"},
                data=_multipart(name, content),
                **condition,
            )
    except FileExistsError:  # the status 412; or it is our own, whose answer was lost
        return _read_or_absent(path).content == content
    except FileNotFoundError:
        return content is None
    return True


def _read_or_absent(path: epath.Path) -> Found:
    try:
        return _read_object(path)
    except FileNotFoundError:
        return _ABSENT


def _multipart(name: str, content: bytes) -> bytes:
    """An upload in one request, as a test server knows it, too."""
    parts = (
        ("application/json; charset=UTF-8", json.dumps({"name": name}).encode()),
        ("application/octet-stream", content),
    )
    body = b"".join(
        f"--{_BOUNDARY}\nContent-Type: {kind}\n\n".encode() + part + b"\n"
        for kind, part in parts
    )
    return body + f"--{_BOUNDARY}--".encode()
