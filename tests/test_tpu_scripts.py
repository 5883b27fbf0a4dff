"""The scripts of `experiments/tpu/vm`: what they would run, and what they refuse."""

import os
import pathlib
import shlex
import subprocess

import pytest

VM = pathlib.Path(__file__).parents[1] / "experiments" / "tpu" / "vm"
PLACE = ["--project=my-project", "--zone=us-west4-a"]
WHERE = ["--name", "sisr-1", "--zone=us-west4-a", "--project=my-project"]
RUN = ["--bucket=my-bucket", "--run=ct/first"]
TPUS = ["gcloud", "compute", "tpus"]
SSH = [*TPUS, "tpu-vm", "ssh", "sisr-1", *PLACE, "--worker=all"]


def _call(script, *arguments, path=None):
    environment = dict(os.environ, PATH=path or os.environ["PATH"])
    return subprocess.run(
        [VM / script, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
    )


def _shown(script, *arguments):
    """The words of each command that `--dry-run` prints, as a shell reads them."""
    done = _call(script, *arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("script", "arguments", "expected"),
    [
        (
            "create.sh",
            [*WHERE, "--type=v4-8"],
            [
                [
                    *TPUS,
                    "tpu-vm",
                    "create",
                    "sisr-1",
                    *PLACE,
                    "--accelerator-type=v4-8",
                    "--version=tpu-ubuntu2204-base",
                ]
            ],
        ),
        (
            "create.sh",
            [*WHERE, "--type=v5litepod-16", "--queued", "--spot"],
            [
                [
                    *TPUS,
                    "queued-resources",
                    "create",
                    "sisr-1",
                    "--node-id=sisr-1",
                    *PLACE,
                    "--accelerator-type=v5litepod-16",
                    "--spot",
                    "--runtime-version=v2-alpha-tpuv5-lite",
                ],
                [
                    *TPUS,
                    "queued-resources",
                    "describe",
                    "sisr-1",
                    *PLACE,
                    "--format=value(state.state)",
                ],
            ],
        ),
        (
            "watch.sh",
            ["tensorboard", *RUN],
            [
                ["mkdir", "-p", "runs/ct/first/tensorboard"],
                [
                    "gcloud",
                    "storage",
                    "rsync",
                    "--recursive",
                    "gs://my-bucket/ct/first/tensorboard",
                    "runs/ct/first/tensorboard",
                ],
                ["uvx", "tensorboard", "--logdir=runs/ct/first/tensorboard"],
            ],
        ),
        (
            "watch.sh",
            ["metrics", *RUN],
            [
                [
                    "gcloud",
                    "storage",
                    "cat",
                    "--range=-4096",
                    "gs://my-bucket/ct/first/metrics.jsonl",
                ]
            ],
        ),
        (
            "stop.sh",
            WHERE,
            [[*SSH, '--command=kill -TERM "$(cat sisr_jax/run.pid)"']],
        ),
        (
            "delete.sh",
            WHERE,
            [[*TPUS, "tpu-vm", "delete", "sisr-1", *PLACE, "--quiet"]],
        ),
        (
            "delete.sh",
            [*WHERE, "--queued"],
            [
                [
                    *TPUS,
                    "queued-resources",
                    "delete",
                    "sisr-1",
                    *PLACE,
                    "--quiet",
                    "--force",
                ]
            ],
        ),
    ],
)
def test_dry_run_prints_the_commands_in_order(script, arguments, expected):
    assert _shown(script, *arguments) == expected


def test_install_sends_the_commit_to_every_host_and_brings_python():
    archive, copy, install, look = _shown("install.sh", *WHERE, "--revision=v1")
    file = archive[3].removeprefix("--output=")
    assert archive == ["git", "archive", "--format=tar.gz", f"--output={file}", "v1"]
    assert copy[4:6] == ["scp", file]
    assert copy[-1] == install[-2] == look[-2] == "--worker=all"
    order = ("tar -xzf", "astral.sh/uv", "--python 3.11", '".[tpu,gcs]"')
    positions = [install[-1].index(part) for part in order]
    assert positions == sorted(positions)


def _remote(words):
    assert words[:-1] == SSH
    return words[-1].removeprefix("--command=")


def test_every_host_gets_the_same_supervised_run_in_the_bucket():
    start = [*WHERE, *RUN, "--config=configs/ct_srgan.py"]
    done = _call("run.sh", *start, "--dry-run", "--", "--config.data.path=gs://b/a b'c")
    (line,) = done.stdout.splitlines()
    words = shlex.split(_remote(shlex.split(line)).split("nohup ")[1])
    python = [".venv/bin/python", "-m"]
    assert words[: words.index(">>")] == [
        *python,
        "sisr_jax.supervise",
        "--",
        *python,
        "sisr_jax.main",
        "--config=configs/ct_srgan.py",
        "--workdir=gs://my-bucket/ct/first",
        "--coordinator=auto",
        "--config.data.path=gs://b/a b'c",
    ]


def test_a_host_starts_a_run_once(tmp_path):
    """What goes to the hosts, on this one, with a program that waits in its place."""
    python = tmp_path / "sisr_jax" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\nexec sleep 60\n')
    python.chmod(0o755)
    start = [*WHERE, *RUN, "--config=configs/ct_srgan.py"]
    (words,) = _shown("run.sh", *start)
    (stop,) = _shown("stop.sh", *WHERE)

    def on_host(command):
        return subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=10,
        )

    first, second = on_host(_remote(words)), on_host(_remote(words))
    assert first.returncode == 0, first.stderr
    assert (second.returncode, second.stdout) == (1, "already running\n")
    pid = int((tmp_path / "sisr_jax" / "run.pid").read_text())
    assert on_host(_remote(stop)).returncode == 0
    assert on_host(f"tail --pid={pid} -f /dev/null").returncode == 0
    log = (tmp_path / "sisr_jax" / "run.log").read_text()
    assert log.startswith("-m sisr_jax.supervise -- ")
    assert log.count("\n") == 1


def test_what_is_printed_is_what_is_run(tmp_path):
    gcloud, log = tmp_path / "gcloud", tmp_path / "log"
    gcloud.write_text(f"#!/bin/bash\nprintf '%s\\0' gcloud \"$@\" >> {log}\n")
    gcloud.chmod(0o755)
    arguments = [*WHERE, *RUN, "--config=configs/ct_srgan.py", "--", "--a='x y'"]
    done = _call("run.sh", *arguments, path=f"{tmp_path}:{os.environ['PATH']}")
    assert log.read_text().split("\0")[:-1] == shlex.split(done.stdout)


SCRIPTS = sorted(path.name for path in VM.glob("*.sh") if path.name != "flags.sh")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--name=x", "--help"]])
def test_help_is_the_head_of_the_script_and_runs_nothing(tmp_path, script, arguments):
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f"#!/bin/sh\ntouch {tmp_path / 'called'}\n")
    gcloud.chmod(0o755)
    done = _call(script, *arguments, path=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    head = (VM / script).read_text().split("\nset -euo pipefail")[0].splitlines()
    assert (first, last) == (head[1].removeprefix("# "), head[-1].removeprefix("# "))
    assert f"    {script} " in done.stdout
    assert not (tmp_path / "called").exists()


def test_help_behind_the_dashes_is_of_the_training():
    start = [*WHERE, *RUN, "--config=ct_srgan:demo", "--dry-run", "--", "--help"]
    done = _call("run.sh", *start)
    assert "--coordinator=auto --help" in done.stdout


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("create.sh", WHERE, "--type: missing, for instance --type v5litepod-8"),
        ("create.sh", [*WHERE, "--type=v9-8"], "--type 'v9-8': expected something"),
        ("create.sh", [*WHERE, "--typ=v4-8"], "--typ: unknown; known: name zone"),
        ("create.sh", [*WHERE, "--spot=no"], "--spot: expected no value"),
        ("stop.sh", ["--name", "my tpu", *WHERE[2:]], "--name 'my tpu': expected"),
        ("stop.sh", ["--name", "a;b", *WHERE[2:]], "--name 'a;b': expected"),
        ("stop.sh", [*WHERE, "--zone"], "--zone '': expected"),
        ("stop.sh", [*WHERE, "all"], "'all': expected --flags"),
        ("watch.sh", [], "'': expected logs, metrics or tensorboard"),
        ("watch.sh", ["metrics", "--bucket=b-1", "--run=a/../b"], "--run 'a/../b'"),
        ("run.sh", [*WHERE, *RUN, "--config=x.py"], "--config 'x.py': expected"),
        ("delete.sh", WHERE, "--yes: missing, and nobody to ask"),
    ],
)
def test_bad_arguments_are_one_line_and_run_nothing(
    tmp_path, script, arguments, message
):
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f"#!/bin/sh\ntouch {tmp_path / 'called'}\n")
    gcloud.chmod(0o755)
    done = _call(script, *arguments, path=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{script}: error: {message}")
    assert not (tmp_path / "called").exists()


def test_delete_with_yes_deletes_that_one_and_nothing_else(tmp_path):
    gcloud, log = tmp_path / "gcloud", tmp_path / "log"
    gcloud.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    gcloud.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert _call("delete.sh", *WHERE, "--yes", path=path).returncode == 0
    (shown,) = _shown("delete.sh", *WHERE)
    assert log.read_text().split() == shown[1:]
