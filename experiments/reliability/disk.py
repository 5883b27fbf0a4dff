"""Trains on a disk that fills up or is taken away; it must end to the bit.

    python -m experiments.reliability.disk --csv disk.csv

Each kind of fault hits one training on a small disk, which only this command and its
children see (`unshare`, `setpriv`, `prlimit` and `mount` of util-linux). The disk is in
memory; one that fails is in a file, which takes the superuser. A quota is `strace`,
which says in the place of the kernel, in the middle of a save, that it is exceeded. A
training that stops must say why in one line, with the exit code of its kind; then the
disk is well again and the same command runs again. Losses are leaves of the final
state, records and scores that differ from those of a training that nobody disturbed;
exit code 1 if there are any. Linux only.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from experiments.reliability import device
from experiments.reliability.comparison import differences
from experiments.reliability.processes import ROOT, environment
from experiments.reliability.table import write_table

FIELDS = ("kind", "exit_code", "newest", "ended", "seconds", "losses")
KINDS = ("full", "file too large", "quota", "permission lost", "read-only", "failed")
MODULE = "experiments.reliability.disk"
INPUT_EXIT_CODE, STORAGE_EXIT_CODE = 2, 74
LONGEST_RUN_SECONDS = 1200
# A run leaves 4.6 MB, 0.8 MB a checkpoint; its largest file of arrays is over 0.1 MB.
SMALL, LARGE, LARGEST_FILE = "2500k", "64m", 60_000
DEVICE_BYTES = 64 * 2**20
# A folder that only TensorStore makes, when a save is under way.
BEYOND_QUOTA = "checkpoints/3.orbax-checkpoint-tmp/training.orbax-checkpoint-tmp/d"


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    flags.add_argument("--csv", type=pathlib.Path, help="where to write the table")
    flags.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = flags.parse_args()
    if "failed" in options.kinds and os.geteuid():
        flags.error("'failed' takes the superuser: name the other --kinds")
    if "quota" in options.kinds and not shutil.which("strace"):
        flags.error("'quota' takes strace: install it or name the other --kinds")
    if not options.inside:
        # Mounts in there are seen by nobody else and end with it.
        user = [] if "failed" in options.kinds else ["--map-root-user"]
        inside = [sys.executable, "-m", MODULE, *sys.argv[1:], "--inside"]
        sys.exit(subprocess.run(["unshare", *user, "--mount", *inside]).returncode)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        rows = experiment(pathlib.Path(folder), options)
    if options.csv:
        write_table(options.csv, FIELDS, rows)
    losses = sum(row["losses"] for row in rows)
    print(f"{len(rows)} faults, {losses} losses")
    sys.exit(bool(losses))


def experiment(folder, options):
    straight = folder / "straight"
    _expect(_finish(_start(straight, folder / "cache")), 0)
    rows = []
    for number, kind in enumerate(options.kinds):
        began = time.monotonic()
        disk = folder / f"disk{number}"
        disk.mkdir()
        workdir = disk / "run"
        row = {"kind": kind} | disturb(kind, disk, workdir, folder / "cache")
        _expect(_finish(_start(workdir, folder / "cache")), 0)
        lost = differences(straight, workdir)
        print(*lost, sep="\n", end="\n" if lost else "")
        seconds = round(time.monotonic() - began)
        rows.append(row | {"seconds": seconds, "losses": len(lost)})
        print(*(f"{k} {v}" for k, v in rows[-1].items()), sep=", ", flush=True)
        _run("umount", disk)
    return rows


def disturb(kind, disk, workdir, cache):
    """One training that a fault ends; the disk is well again afterwards."""
    _mount(kind, disk)
    process = _start(workdir, cache, _limits(kind, workdir))
    if kind in ("permission lost", "failed"):
        _wait_for_checkpoint(workdir, process)
        _take_away(kind, disk, workdir)
    found = _finish(process)
    expected = INPUT_EXIT_CODE if kind == "read-only" else STORAGE_EXIT_CODE
    reason = _expect(found, expected)
    newest = max(_complete_steps(workdir), default="none")
    _mend(kind, disk, workdir)
    return {
        "exit_code": found.returncode,
        "newest": newest,
        "ended": reason.replace(str(workdir), "DIR"),
    }


def _mount(kind, disk):
    if kind == "failed":
        device.mount(disk, DEVICE_BYTES)
        return
    size = SMALL if kind == "full" else LARGE
    options = f"size={size},ro" if kind == "read-only" else f"size={size}"
    _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", disk)


def _limits(kind, workdir):
    """What a training is started by, if it is to be limited."""
    if kind == "file too large":
        return ["prlimit", f"--fsize={LARGEST_FILE}"]
    if kind == "quota":
        where = ["--trace-path", workdir / BEYOND_QUOTA, "--output=/dev/null"]
        what = ["-e", "trace=mkdir,mkdirat", "-e", "inject=mkdir,mkdirat:error=EDQUOT"]
        return ["strace", "--follow-forks", *where, *what]
    return []


def _take_away(kind, disk, workdir):
    if kind == "failed":
        device.fail(disk)
        return
    for path in (workdir, workdir / "checkpoints"):
        path.chmod(0o555)


def _mend(kind, disk, workdir):
    if kind == "failed":
        device.repair(disk)
    elif kind == "permission lost":
        for path in (workdir, workdir / "checkpoints"):
            path.chmod(0o755)
    elif kind in ("full", "read-only"):
        _run("mount", "-o", f"remount,rw,size={LARGE}", disk)


def _start(workdir, cache, limits=()):
    return subprocess.Popen(
        [
            *limits,
            # Without capabilities, permissions bind the superuser too.
            *("setpriv", "--inh-caps=-all", "--bounding-set=-all"),
            *(sys.executable, "-m", "sisr_jax.main", "--workdir", str(workdir)),
            "--config=configs/ct_srgan.py:quicktest",
        ],
        cwd=ROOT,
        env=environment(cache),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process):
    output, errors = process.communicate(timeout=LONGEST_RUN_SECONDS)
    return subprocess.CompletedProcess([], process.returncode, output, errors)


def _expect(found, exit_code):
    """The one line that a training says when it stops; none for exit code 0."""
    lines = [line for line in found.stderr.splitlines() if "sisr_jax: error: " in line]
    is_noisy = "Traceback" in found.stderr
    if is_noisy or found.returncode != exit_code or len(lines) != bool(exit_code):
        raise SystemExit(f"exit code {found.returncode}\n{found.stderr}")
    return "".join(lines)


def _wait_for_checkpoint(workdir, process):
    while 3 not in _complete_steps(workdir):
        if process.poll() is not None:
            raise SystemExit(f"it ended too early\n{process.communicate()[1]}")
        time.sleep(0.005)


def _complete_steps(workdir):
    folder = workdir / "checkpoints"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [int(name) for name in names if name.isdigit()]


def _run(*command):
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
