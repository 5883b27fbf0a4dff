"""The working folder of a run: what anyone may have edited or damaged in it."""

import dataclasses
import json
import os
from pathlib import Path

from etils import epath

from experiments.reliability.fuzzing.targets import FOREIGN, Target
from sisr_jax.config import files, parse
from sisr_jax.config.kept import CONFIG_FILE, has_config, read_config
from sisr_jax.data.sources import open_source
from sisr_jax.hosts import lock as locks
from sisr_jax.hosts.owner import this_process
from sisr_jax.run import workdir as workdirs
from sisr_jax.run.records import METRICS_FILE, open_records
from sisr_jax.run.validation import BASELINE_FILE, known_baseline
from sisr_jax.train.task import build_task

_IMAGES = {"train": "1" * 64, "validation": "2" * 64, "test": "3" * 64}
_ASKED = {"protocol": "physical-us-x4", "num_images": 3}
_BASELINE = {"name": "Bicubic", "psnr": 31.5, "ssim": 0.875}
_STEPS, _RESUMED = 24, 16
# Seconds that a lock which does not move is watched for.
_SILENT, _LOOK = 0.2, 0.05


class RunTarget(Target):
    """A folder that is claimed, resumed and evaluated, but for the training."""

    is_read_only = False
    specials = Target.specials | FOREIGN

    def __init__(self, folder):
        super().__init__(folder)
        locks.SILENT_SECONDS, locks._LOOK_SECONDS = _SILENT, _LOOK
        self._workdir, self._mutant = epath.Path(folder), None
        self._config = parse(files.load("us_srgan:quicktest").to_dict())
        workdirs.claim(self._workdir, self._config, _IMAGES).release()
        records = open_records(self._workdir, 0)
        for step in range(1, _STEPS + 1):
            scalars = {"loss/generator": 1 / step, "grad_norm/generator": float("nan")}
            records.write_scalars(step, scalars)
        records.close()
        (folder / locks.LOCK_FILE).write_text(json.dumps(_parent() | {"beats": 3}))
        (folder / BASELINE_FILE).write_text(json.dumps(_ASKED | _BASELINE))
        names = ("config.json", "versions.json", "images.json", BASELINE_FILE)
        names += (METRICS_FILE, locks.LOCK_FILE)
        self.keep(folder / name for name in names)

    def use(self, path):
        if path.name == locks.LOCK_FILE:
            return locks.Lock(self._workdir).acquire()
        (self.folder / locks.LOCK_FILE).unlink()
        if path.name == METRICS_FILE:
            open_records(self._workdir, _RESUMED).close()
            return path.read_bytes() if path.exists() else b""
        if path.name == BASELINE_FILE:
            return known_baseline(epath.Path(path), _ASKED)
        config = self._config
        if path.name == CONFIG_FILE and has_config(self._workdir):
            config = read_config(self._workdir)
        workdirs.claim(self._workdir, config, _IMAGES)
        images = _IMAGES["test"]
        workdirs.evaluation_folder(self._workdir, 3, config, "test", images)
        if config != self._config:
            build_task(config)
            open_source(config.data, "train", seed=config.seed)
        return dataclasses.asdict(config)

    def damage(self, number, seed):
        path = super().damage(number, seed)
        self._mutant = path.read_bytes() if path.is_file() else None
        return path

    def fault(self, path, answer):
        check = {
            CONFIG_FILE: _fault_of_config,
            METRICS_FILE: _fault_of_records,
            locks.LOCK_FILE: _fault_of_lock,
            "images.json": _fault_of_images,
            BASELINE_FILE: _fault_of_baseline,
        }.get(path.name)
        if check is None or self._mutant is None:
            return ""
        return check(self._mutant, answer)


def _parent():
    """Who has the lock: the process that started this one."""
    pid = os.getppid()
    began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return dataclasses.asdict(this_process()) | {"pid": pid, "began": began}


def _fault_of_config(mutant, answer):
    doubles = []

    def look(pairs):
        doubles.extend([pairs] if len(dict(pairs)) < len(pairs) else [])
        return dict(pairs)

    values = json.loads(mutant, object_pairs_hook=look)
    if doubles:
        return "a key that is there twice was accepted"
    return _difference(values, json.loads(json.dumps(answer)), "config")


def _difference(there, here, path):
    """Where a configuration is not what its file says; keys may have been added."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key, value in there.items():
            if key not in here:
                return f"{path}.{key} was dropped"
            if found := _difference(value, here[key], f"{path}.{key}"):
                return found
        return ""
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = enumerate(zip(there, here, strict=True))
        return next(
            filter(None, (_difference(*p, f"{path}.{i}") for i, p in pairs)), ""
        )
    is_same = there == here and isinstance(there, bool) == isinstance(here, bool)
    return "" if is_same else f"{path} = {there!r} was read as {here!r}"


def _fault_of_records(mutant, answer):
    expected = []
    for line in mutant.splitlines():
        try:
            if json.loads(line)["step"] <= _RESUMED:
                expected.append(line)
        except (ValueError, TypeError, KeyError, RecursionError):
            break
    if answer.splitlines() != expected:
        return "other records were kept"
    return ""


def _fault_of_lock(mutant, answer):
    del answer
    try:
        found = json.loads(mutant)
        is_held = all(found[key] == value for key, value in _parent().items())
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return "the lock of a living process was taken" if is_held else ""


def _fault_of_images(mutant, answer):
    del answer
    found = json.loads(mutant)["train"]
    return "" if found == _IMAGES["train"] else "other images to train on"


def _fault_of_baseline(mutant, answer):
    if answer is None:
        return ""
    found = json.loads(mutant)
    is_asked = all(found[key] == value for key, value in _ASKED.items())
    is_read = all(found[key] == value for key, value in answer.items())
    return "" if is_asked and is_read else "another baseline was taken"
