"""A whole run in a bucket: killed, resumed, evaluated, and the bad inputs."""

import json
import pathlib
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

from experiments.reliability.comparison import differences

ROOT = pathlib.Path(__file__).parents[2]
FILES = {
    "config.json",
    "versions.json",
    "parameters.txt",
    "metrics.jsonl",
    "checkpoints/8/commit_success.txt",
    "evaluation/step_8/figure.png",
    "evaluation/step_8/per_image.csv",
    "evaluation/step_8/table.csv",
    "evaluation/step_8/table.md",
}


@pytest.fixture(scope="module")
def environment(gcs_environment, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return gcs_environment | {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def _start(environment, workdir, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "sisr_jax.main", *arguments, f"--workdir={workdir}"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


def _train(environment, workdir, *arguments):
    config = "--config=configs/ct_srgan.py:quicktest"
    return _start(environment, workdir, config, *arguments)


def _error_of(process):
    _, errors = process.communicate(timeout=120)
    lines = [line for line in errors.splitlines() if "sisr_jax: error: " in line]
    assert "Traceback" not in errors
    return process.returncode, lines[0] if len(lines) == 1 else errors


def _objects(address, prefix):
    query = urllib.parse.urlencode({"prefix": prefix, "maxResults": 1000})
    with urllib.request.urlopen(f"{address}/storage/v1/b/bucket/o?{query}") as found:
        items = json.load(found).get("items", [])
    return {item["name"].removeprefix(prefix): item["mediaLink"] for item in items}


def _copy(address, prefix, folder):
    for name in _objects(address, prefix):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        quoted = urllib.parse.quote(prefix + name, safe="")
        media = f"{address}/download/storage/v1/b/bucket/o/{quoted}?alt=media"
        with urllib.request.urlopen(media) as content:
            path.write_bytes(content.read())


def _table(workdir):
    return (workdir / "evaluation/step_8/per_image.csv").read_text()


@pytest.mark.slow
def test_run_in_a_bucket_is_the_run_on_a_disk(gcs_server, environment, tmp_path):
    _finish(_train(environment, tmp_path / "local"))

    killed = _train(environment, "gs://bucket/run")
    deadline = time.monotonic() + 240
    while "checkpoints/3/commit_success.txt" not in _objects(gcs_server, "run/"):
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert "evaluation/step_8/table.csv" not in _objects(gcs_server, "run/")

    trained = _finish(_train(environment, "gs://bucket/run"))
    assert "gs://bucket/run/checkpoints" in trained
    found = _objects(gcs_server, "run/")
    assert found.keys() >= FILES
    assert any(name.startswith("tensorboard/events.out") for name in found)

    copied = tmp_path / "copied"
    _copy(gcs_server, "run/", copied)
    assert not differences(tmp_path / "local", copied)

    there = _finish(_start(environment, "gs://bucket/run", "--mode=evaluate"))
    assert there == trained
    in_bucket = _table(copied)
    (copied / "evaluation/step_8/per_image.csv").unlink()
    here = _finish(_start(environment, copied, "--mode=evaluate"))
    assert here == trained.replace("gs://bucket/run", str(copied))
    assert _table(copied) == in_bucket == _table(tmp_path / "local")

    phases = [f"--config.phases.{p}=0" for p in ("generator", "discriminator")]
    weights = "--config.init.generator=gs://bucket/run"
    follow_up = [weights, *phases, "--config.phases.adversarial=1"]
    assert "SRGAN" in _finish(_train(environment, "gs://bucket/next", *follow_up))


@pytest.mark.parametrize(
    ("workdir", "mode", "message"),
    [
        ("gs://no-such-bucket/run", "train", "no such bucket or object"),
        ("gs://bucket/nothing-there", "evaluate", "no such bucket or object"),
    ],
)
def test_bad_bucket_is_one_line_before_anything_is_made(
    gcs_server, gcs_environment, workdir, mode, message
):
    start = _train if mode == "train" else _start
    code, line = _error_of(start(gcs_environment, workdir, f"--mode={mode}"))
    assert code == 2, line
    key = "workdir " if mode == "train" else ""  # else the file that is read is named
    assert line.startswith(f"sisr_jax: error: {key}{workdir}")
    assert message in line
    with urllib.request.urlopen(f"{gcs_server}/storage/v1/b") as found:
        assert [bucket["name"] for bucket in json.load(found)["items"]] == ["bucket"]
