"""Opens the folder of a run: local or `gs://`.

The settings of the client libraries of Google Cloud Storage are decided here, and
only here. Arrays go through TensorStore, everything else through gcsfs: both retry
what may pass (429, 5xx, connections that break or fall silent). gcsfs is given two
minutes (`retries`), TensorStore what `checkpoints` gives a save.
"""

import importlib.util
import logging
import os
import socket
import time

from absl import logging as absl_logging
from etils import epath

from sisr_jax.errors import InputError
from sisr_jax.storage.failures import refusing
from sisr_jax.storage.files import is_remote

_EMULATOR = "STORAGE_EMULATOR_HOST"
_CONNECT_SECONDS = 10
_SILENCE_SECONDS = 30
_OUTAGE_SECONDS = 60


def open_folder(location: str, name: str) -> epath.Path:
    """The path of a folder, with this process ready to use its storage.

    Nothing is read or written.

    Args:
        location: Local path or `gs://bucket/folder`.
        name: What the location was given as, for messages: `--workdir`.

    Raises:
        InputError: If the location is empty or of another kind, lacks its bucket, or
            needs a library that is not installed.
    """
    if not location.strip():
        raise InputError(f"{name} = {location!r}: expected a folder")
    try:
        location.encode()
    except UnicodeEncodeError as error:  # which the libraries of checkpoints need
        raise InputError(f"{name} = {location!r}: not UTF-8; rename it") from error
    if is_remote(location):
        if not location.removeprefix("gs://").split("/")[0]:
            raise InputError(f"{name} = {location!r}: expected gs://BUCKET/FOLDER")
        if importlib.util.find_spec("gcsfs") is None:
            raise InputError(
                f"{name} = {location!r}: gs:// needs gcsfs; run: pip install gcsfs"
            )
        _configure_clients()
    elif "://" in location:
        raise InputError(
            f"{name} = {location!r}: expected a local folder or gs://BUCKET/FOLDER"
        )
    return epath.Path(location)


def check_writable(folder: epath.Path, name: str) -> None:
    """Makes a folder unless it is there, and checks that it takes files.

    Args:
        folder: Folder; a missing bucket is never made.
        name: What it is called in messages.

    Raises:
        InputError: If it cannot be written and that will not pass by itself.
        StorageError: If it may: a full disk, a server that does not answer.
    """
    with refusing(f"{name} {folder}: writing"):
        if not is_remote(folder):  # a bucket has no folders, only names with `/`
            folder.mkdir(parents=True, exist_ok=True)
        # Another process may be checking at this moment.
        probe = folder / f".writable.{socket.gethostname()}.{os.getpid()}"
        probe.write_text("1")
        probe.unlink()


def check_possible(folder: epath.Path, name: str) -> None:
    """Refuses a local folder that cannot be made or written, and touches nothing.

    For a result of long work, before it begins. A bucket answers when it is written to.

    Args:
        folder: Folder, which need not be there.
        name: What it is called in messages.

    Raises:
        InputError: If a file is in its way, or it may not be written.
    """
    if is_remote(folder):
        return
    with refusing(f"{name} {folder}: looking"):
        place = folder.resolve()
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise InputError(f"{name} {folder}: {place} is a file, expected a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{name} {folder}: {place} cannot be written")


def _configure_clients() -> None:
    """Settles how the GCS clients behave, before they are first used."""
    # epath would take TensorFlow's client wherever TensorFlow is installed: another
    # one than everywhere else, deaf to the settings below.
    os.environ["EPATH_USE_TF"] = "0"
    os.environ.setdefault(
        "TENSORSTORE_CURL_CONNECT_TIMEOUT_SECONDS", str(_CONNECT_SECONDS)
    )
    os.environ.setdefault(
        "TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS", str(_SILENCE_SECONDS)
    )
    os.environ.setdefault("TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES", "1")
    if _EMULATOR in os.environ:
        os.environ.setdefault("TENSORSTORE_GCS_HTTP_URL", os.environ[_EMULATOR])
        # An emulator has no other kinds of buckets to ask for, and no credentials.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    import aiohttp
    import fsspec.config

    _log_outages_once()
    fsspec.config.conf["gcs"] = {
        # Without it a connection that falls silent is waited for for ever.
        "requests_timeout": aiohttp.ClientTimeout(
            sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS
        ),
        # Other processes write to the same folders.
        "use_listings_cache": False,
    }
    from sisr_jax.storage import retries  # needs gcsfs, and reads the above

    retries.register()


class _LogOutagesOnce(logging.Filter):
    """Makes one warning of the retries of an outage; gcsfs keeps them to itself.

    What gcsfs gives up on is raised, so its own lines and tracebacks are dropped.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if "retrying after exception" in record.getMessage():
            if now - self._last > _OUTAGE_SECONDS:
                reason = record.getMessage().split("exception: ", 1)[-1]
                absl_logging.warning("storage: trying again: %s", reason[:200])
            self._last = now
        return False


def _log_outages_once() -> None:
    logger = logging.getLogger("gcsfs")
    if not any(isinstance(known, _LogOutagesOnce) for known in logger.filters):
        logger.setLevel(logging.DEBUG)
        logger.addFilter(_LogOutagesOnce())
        # Its search for credentials has no say in that.
        logging.getLogger("gcsfs.credentials").setLevel(logging.WARNING)
