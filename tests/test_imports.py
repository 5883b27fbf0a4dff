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
FLOORS = [
    {"types", "errors", "explicit_meshes", "geometries", "reals"},
    {"", "arguments", "losses", "metrics", "operators", "random", "storage"},
    {"config"},
    {"tomography", "ultrasound", "image"},
    {"reconstruction"},
    {"models", "data"},
    {"degradation", "hosts"},
    {"train"},
    {"checkpoints"},
    {"inference"},
    {"evaluation"},
    {"run", "aot"},
    {"enhancement"},
    {"__main__", "bundle", "enhance", "export", "main", "supervise", "trust"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# The rooms, or single modules, that may import a foreign library.
DOORS = {
    "flax": {"models", "train.state", "inference"},
    "orbax": {"checkpoints"},
    "tensorflow_datasets": {"data"},
    "pydicom": {"data.formats"},
    "grain": {"data"},
    "PIL": {"data", "evaluation.sheet"},
    "matplotlib": {"evaluation"},
    "tensorboardX": {"run.tensorboard"},
    "tqdm": {"run.progress", "data"},
    "gcsfs": {"storage"},
    "fsspec": {"storage"},
    "aiohttp": {"storage"},
    "array_record": {"data"},
    "h5py": {"data.scans"},
    "nibabel": {"data.formats"},
    "ml_collections": {"config.command_line"},
    "optax": {"train", "losses"},
    "safetensors": {"inference.weights_file"},
    "clu": {"evaluation", "run.loop"},
    "tensorflow": set(),
}

PHYSICS = {"operators", "tomography", "ultrasound", "image"}


def _name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _room(name):
    return name.split(".")[0]


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
    for name in _imports(path):
        if name.startswith("sisr_jax."):
            other = _room(name.removeprefix("sisr_jax."))
            assert other == room or FLOOR[other] < FLOOR[room], name


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_foreign_libraries_come_through_their_door(path):
    module = _name(path)
    rooms = {module.rsplit(".", depth)[0] for depth in range(module.count(".") + 1)}
    for name in _imports(path):
        library = name.split(".")[0]
        if library in DOORS:
            assert rooms & DOORS[library], f"{name} in {module}"
        if _room(module) in PHYSICS:
            allowed = {
                "jax",
                "numpy",
                "jaxtyping",
                "sisr_jax",
            } | sys.stdlib_module_names
            assert library in allowed, f"{name} in {module}"


def test_every_room_has_its_floor():
    assert {_room(_name(path)) for path in MODULES} == set(FLOOR)


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
