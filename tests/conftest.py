"""Four virtual CPU devices, absl flags marked as parsed, and shared fixtures.

The device count must be set before the first JAX computation, hence here and
not in a fixture. `JAX_PLATFORMS` keeps an installed accelerator plugin from
being probed. Programs are compiled in haste, here and in the processes that tests
start, which takes less than half of the time; where the environment says otherwise, as
that of the operators' slow tests does in `make test-slow`, as users compile them.
"""

import importlib
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

import jax
import pytest
from absl import flags

# Fixtures that tests of several rooms share.
pytest_plugins = ("bucket_server", "compiled_steps")

ROOT = pathlib.Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

jax.config.update("jax_num_cpu_devices", 4)
if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()


def pytest_configure(config):
    """The processes of a session share what they compile, which dominates."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="sisr_jax_tests_")
        config.add_cleanup(folder.cleanup)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    jax.config.update(
        "jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"]
    )


@pytest.fixture(scope="module", autouse=True)
def _programs_of_one_module():
    """Those of all modules would take 6 GB of each process by the end."""
    yield
    jax.clear_caches()


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(scope="session")
def load_config():
    """A function from a config's name, variant and changes to its typed form."""
    from sisr_jax.config import parse

    def load(name, variant="quicktest", **changes):
        config = importlib.import_module(f"configs.{name}").get_config(variant)
        config.update_from_flattened_dict(
            {path.replace("__", "."): value for path, value in changes.items()}
        )
        return parse(config.to_dict())

    return load
