"""The configuration that a folder keeps: of a run, or of weights."""

from etils import epath

from sisr_jax.config.checks import ConfigError
from sisr_jax.config.history import upgraded
from sisr_jax.config.parsing import parse
from sisr_jax.config.sections import Config
from sisr_jax.errors import one_line
from sisr_jax.storage.json_files import read_object

CONFIG_FILE = "config.json"


def has_config(folder: epath.Path) -> bool:
    """Whether the folder belongs to a configuration."""
    return (folder / CONFIG_FILE).exists()


def read_config(folder: epath.Path) -> Config:
    """Reads the configuration that a folder belongs to.

    Raises:
        InputError: If there is none, or it is not readable.
        StorageError: If the storage fails otherwise.
    """
    path = folder / CONFIG_FILE
    values = read_object(path)
    try:
        return parse(upgraded(values))
    except (ConfigError, RecursionError) as error:
        raise ConfigError(f"{path}: not of this version: {one_line(error)}") from error
