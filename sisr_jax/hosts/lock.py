"""A lock of a folder, on a disk or in a bucket, that outlives no process.

The file names the process that holds it. Whether that one is still there, another one
on the same machine sees at once. On another machine it looks whether the file still
changes, because its holder counts in it; clocks are not compared.
"""

import dataclasses
import json
import threading
import time
from types import TracebackType
from typing import NoReturn, Self

from absl import logging
from etils import epath

from sisr_jax.errors import ExitCode, InputError, StorageError
from sisr_jax.hosts.leaving import leave_at_once
from sisr_jax.hosts.owner import Owner, parse_owner, this_process
from sisr_jax.storage.exchange import Found, exchange, read

LOCK_FILE = "lock.json"
BEAT_SECONDS = 15.0
SILENT_SECONDS = 90.0
_LOOK_SECONDS = 1.0


class Lock:
    """The lock of one folder, for one process at a time.

    While it is entered its file changes every `BEAT_SECONDS`. Leaving releases it.
    """

    def __init__(self, folder: epath.Path, name: str = "workdir") -> None:
        """Names the folder; nothing is read or written yet.

        Args:
            folder: The folder, which exists when the lock is taken.
            name: What it is called in messages.
        """
        self._path, self._name = folder / LOCK_FILE, name
        self._beats = 0
        self._left = threading.Event()

    def acquire(self) -> None:
        """Takes the lock, unless this process has it.

        A holder that seems to be on another machine and does not move is watched for
        `SILENT_SECONDS`.

        Raises:
            InputError: If another process has it; names that process.
            StorageError: If the storage fails.
        """
        while True:
            found = read(self._path)
            owner = parse_owner(found.content or b"")
            if owner == this_process():
                return
            if found.content is not None:
                self._wait_for_end(found, owner)
            if exchange(self._path, found, self._content()):
                return

    def release(self) -> None:
        """Gives the lock back, if this process has it."""
        found = read(self._path)
        while parse_owner(found.content or b"") == this_process():
            exchange(self._path, found, None)
            found = read(self._path)

    def __enter__(self) -> Self:
        self.acquire()
        self._left.clear()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        # A storage that is away would be waited for; the process ends, which frees it.
        if not isinstance(error, StorageError):
            self._thread.join()
            self.release()

    def _content(self) -> bytes:
        values = dataclasses.asdict(this_process()) | {"beats": self._beats}
        return json.dumps(values, indent=2).encode() + b"\n"

    def _wait_for_end(self, found: Found, owner: Owner | None) -> None:
        """Returns once the holder is gone, or has not moved for so long that it is."""
        is_gone = None if owner is None else owner.is_gone()
        if is_gone:
            return
        if is_gone is not None:
            self._refuse(owner)
        logging.warning(
            "%s: its holder may be on another machine; watching for %.0f s whether it "
            "is still there",
            self._path,
            SILENT_SECONDS,
        )
        deadline = time.monotonic() + SILENT_SECONDS
        while time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            now = read(self._path)
            if now.content is None:
                return
            if now != found:
                self._refuse(parse_owner(now.content) or owner)

    def _refuse(self, owner: Owner | None) -> NoReturn:
        holder = "another process"
        if owner is not None:
            holder = (
                f"process {owner.pid} on {owner.host}, which started {owner.started}"
            )
        raise InputError(
            f"{self._name} {self._path.parent} is in use by {holder} (see {LOCK_FILE})"
        )

    def _beat(self) -> None:
        """Shows that the process is there, and ends it if the lock is another's."""
        while not self._left.wait(BEAT_SECONDS):
            try:
                found = read(self._path)
                owner = parse_owner(found.content or b"")
                if owner is not None and owner != this_process():
                    return self._lose(owner)
                self._beats += 1
                exchange(self._path, found, self._content())
            except StorageError as error:
                logging.info("lock: %s", error)

    def _lose(self, owner: Owner) -> None:
        if not self._left.is_set():
            leave_at_once(
                f"error: {self._path}: taken over by process {owner.pid} on "
                f"{owner.host}, because this one did not move for too long",
                ExitCode.BAD_INPUT,
            )
