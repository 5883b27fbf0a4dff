"""Files that grow, in a storage that takes whole objects only.

A bucket has no append. There, files grow in a temporary folder of this machine, and
`publish` replaces the bucket's objects by them. A kill loses what was written since;
a run that publishes before each checkpoint resumes from one before that, and writes
the same again.
"""

import contextlib
import os
import tempfile

from etils import epath

from sisr_jax.storage.failures import reporting
from sisr_jax.storage.files import is_remote, sync, write_whole


class UploadBuffer:
    """A folder whose files may be appended to, whatever the storage.

    Attributes:
        folder: Where to write: the folder itself if it is local.
    """

    def __init__(self, target: epath.Path) -> None:
        """Opens the folder; its old files are not read.

        Args:
            target: Folder in which the files shall be found; made if it is local.
        """
        self._target = target
        self._published: dict[str, int] = {}
        self._temporary = None
        if is_remote(target):
            self._temporary = tempfile.TemporaryDirectory(prefix="sisr_jax_")
            self.folder = epath.Path(self._temporary.name)
        else:
            self.folder = target
            with reporting(f"{target}: making the folder"):
                target.mkdir(parents=True, exist_ok=True)

    def fetch(self, name: str) -> epath.Path:
        """Brings an old file, if there is one, so that it can go on growing.

        Returns:
            Its path in `folder`.
        """
        path = self.folder / name
        with reporting(f"{self._target / name}: reading"):
            if self._temporary and (self._target / name).exists():
                path.write_bytes((self._target / name).read_bytes())
        return path

    def publish(self) -> None:
        """Makes the storage hold what was written.

        Raises:
            StorageError: Naming the file, if the storage fails.
        """
        for path in sorted(self.folder.iterdir()):
            if not os.path.isfile(path):  # for `epath`, a pipe is one, too
                continue
            target = self._target / path.name
            # A file that is gone by now was not of this buffer, whose files only grow.
            with (
                reporting(f"{target}: writing"),
                contextlib.suppress(FileNotFoundError),
            ):
                self._publish(path, target)

    def _publish(self, path: epath.Path, target: epath.Path) -> None:
        length = path.stat().length
        if self._published.get(path.name) == length:
            return
        if self._temporary:
            write_whole(target, path.read_bytes())
        else:
            sync(path)
            sync(self.folder)
        self._published[path.name] = length

    def close(self) -> None:
        """Publishes, and removes the temporary folder."""
        try:
            self.publish()
        finally:
            if self._temporary:
                self._temporary.cleanup()
                self._temporary = None
