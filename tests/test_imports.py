"""Import direction, foreign libraries behind one door each, light physics imports."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "sisr_jax"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A module imports only from floors below its own, or from its own room.
FLOORS = {
    "errors": 0,
    "supervise": 0,
    "config": 0.1,
    "storage": 0.1,
    "types": 0,
    "random": 0.1,
    "tomography": 1,
    "ultrasound": 1,
    "image": 1,
    "degradation": 2,
    "models": 2,
    "losses": 2,
    "metrics": 2,
    "parallel": 3,
    "departure": 3,
    "distributed": 3.1,
    "data": 3,
    "writers": 3,
    "progress": 3,
    "train.state": 4.0,
    "train.items": 4.1,
    "train.optimizers": 4.1,
    "train.phases": 4.1,
    "train.unfinished": 4.1,
    "train.workdir": 4.1,
    "train.task": 4.2,
    "train.safety": 4.25,
    "train.steps": 4.3,
    "train.outages": 4.35,
    "train.checkpoint": 4.4,
    "train.pretrained": 4.45,
    "train.run": 4.5,
    "evaluation": 4.6,
    "train.loop": 4.7,
    "aot": 5,
    "main": 5,
}

DOORS = {
    "flax": {"models", "train.state"},
    "orbax": {"train.checkpoint", "train.pretrained"},
    "tensorflow_datasets": {"data"},
    "pydicom": {"data"},
    "grain": {"data"},
    "PIL": {"data"},
    "matplotlib": {"evaluation"},
    "tensorboardX": {"writers"},
    "tqdm": {"progress", "data"},
    "gcsfs": {"storage"},
    "fsspec": {"storage"},
    "aiohttp": {"storage"},
    "array_record": {"data"},
    "nibabel": {"data"},
    "ml_collections": {"main", "aot"},
    "optax": {"train.optimizers", "train.steps"},
    "clu": {"evaluation", "train.loop"},
    "tensorflow": set(),
}

PHYSICS = {"tomography", "ultrasound", "image"}


def _name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _room(name):
    two = ".".join(name.split(".")[:2])
    return two if two in FLOORS else name.split(".")[0]


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_come_from_floors_below(path):
    room = _room(_name(path))
    if not room:
        return  # the package itself imports nothing, checked below
    if room == "train":
        assert not list(_imports(path))
        return
    for name in _imports(path):
        if name.startswith("sisr_jax."):
            other = _room(name.removeprefix("sisr_jax."))
            if other == "train":  # `from sisr_jax.train import phases`
                other = ".".join(name.removeprefix("sisr_jax.").split(".")[:2])
            assert other == room or FLOORS[other] < FLOORS[room], name


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_foreign_libraries_come_through_their_door(path):
    room = _room(_name(path))
    for name in _imports(path):
        library = name.split(".")[0]
        if library in DOORS:
            assert room in DOORS[library], f"{name} in {room}"
        if room in PHYSICS:
            allowed = {
                "jax",
                "numpy",
                "jaxtyping",
                "sisr_jax",
            } | sys.stdlib_module_names
            assert library in allowed, f"{name} in {room}"


def test_every_room_has_its_floor():
    assert {_room(_name(path)) for path in MODULES} - {"", "train"} == set(FLOORS)


@pytest.mark.parametrize(
    "statement",
    [
        "from sisr_jax.tomography import ParallelBeam, radon, back_project, fbp",
        "from sisr_jax.ultrasound import decimate_columns",
        "from sisr_jax.degradation import sparse_view_ct, lateral_decimation",
        "from sisr_jax.metrics import psnr, ssim",
    ],
)
def test_library_imports_stay_light(statement):
    heavy = ("flax", "orbax", "tensorflow_datasets", "grain", "clu", "pydicom")
    script = (
        f"{statement}\nimport sys\nprint(sorted(set(sys.modules) & set({heavy!r})))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert found.stdout.strip() == "[]"
