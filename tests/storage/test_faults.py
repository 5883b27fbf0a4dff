"""Requests are repeated through the faults of a server, and given up on in the end."""

import json
import pathlib
import subprocess
import sys
import urllib.request

import pytest
from etils import epath

from sisr_jax.errors import StorageError
from sisr_jax.storage.files import write_whole

PROXY = pathlib.Path(__file__).with_name("faulty_proxy.py")
CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def unreliable(gcs_server, _configured):
    """A function that chooses faults, or tells how many there were."""
    process = subprocess.Popen(
        [sys.executable, str(PROXY), gcs_server], stdout=subprocess.PIPE, text=True
    )
    address = process.stdout.readline().strip()

    def control(**plan):
        request = urllib.request.Request(f"{address}/faults", method="GET")
        if plan:
            request = urllib.request.Request(
                f"{address}/faults", json.dumps(plan).encode(), method="PUT"
            )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", address)
        yield control
    process.terminate()
    process.wait(timeout=10)
    process.stdout.close()


@pytest.mark.parametrize(
    "plan",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
        {"kind": "reset"},
        {"kind": "lost_answer"},
        {"kind": "truncated"},
        {"kind": "stall", "seconds": 0.5},
    ],
    ids=lambda plan: f"{plan['kind']}{plan.get('status', '')}",
)
def test_content_survives_one_fault(unreliable, plan):
    path = epath.Path("gs://bucket/faults") / plan["kind"]
    unreliable(**plan, burst=1, period=1, limit=1)
    write_whole(path, CONTENT)
    assert path.read_bytes() == CONTENT
    assert unreliable()["injected"] == 1


@pytest.mark.slow
def test_server_that_stays_away_is_given_up_on(unreliable, monkeypatch):
    from sisr_jax.storage import retries

    monkeypatch.setattr(retries, "RETRY_SECONDS", 0)
    path = epath.Path("gs://bucket/faults/away")
    unreliable(kind="none")
    write_whole(path, CONTENT)
    unreliable(kind="gone", seconds=600)
    with pytest.raises(StorageError, match=r"faults/away: writing failed: ") as caught:
        write_whole(path, b"another")
    assert "\n" not in str(caught.value)
    assert unreliable()["injected"] == 6
    unreliable(kind="none")
    assert path.read_bytes() == CONTENT
