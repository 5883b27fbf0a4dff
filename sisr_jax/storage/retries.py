"""A GCS client that outlasts an outage of a minute or two.

gcsfs repeats a request six times within about half a minute, and its number is fixed;
this one asks again until `RETRY_SECONDS` have passed since the first attempt. A
server that never answered is not waited for: it may not exist.

Import this module only for `gs://`, once gcsfs is known to be installed and configured.
"""

import time
from typing import Any

import fsspec
import gcsfs
from absl import logging
from gcsfs.retry import is_retriable

RETRY_SECONDS = 120


class RetryingFileSystem(gcsfs.GCSFileSystem):
    """As gcsfs, with more retries for a server that has answered before."""

    _has_answered = False

    async def _request(self, *args: Any, **kwargs: Any) -> Any:
        give_up = time.monotonic() + RETRY_SECONDS
        while True:
            try:
                answer = await super()._request(*args, **kwargs)
                self._has_answered = True
                return answer
            except Exception as error:
                passes = is_retriable(error) or isinstance(error, TimeoutError)
                is_over = time.monotonic() > give_up
                if not (passes and self._has_answered) or is_over:
                    raise
                logging.warning("storage: still waiting for the server: %s", error)


def register() -> None:
    """Makes it the client of every `gs://` path of this process."""
    for protocol in ("gs", "gcs"):
        fsspec.register_implementation(protocol, RetryingFileSystem, clobber=True)
