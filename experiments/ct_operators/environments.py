"""The peers' virtual environments: what is in them, and making them."""

import pathlib
import subprocess
import sys

# The plain release of PyTorch is the CPU one only where the index says so; numpy
# is pinned because torchskradon does not ask for it. deepinv imports torchvision,
# whose releases go with one of PyTorch, and with one build of it.
REQUIREMENTS = {
    "scikit-image": "scikit-image==0.26.0\nnumpy==2.4.6\nscipy==1.17.1\n",
    "imops": "imops==0.11.0\nnumpy==2.4.6\nscipy==1.17.1\n",
    "astra": "astra-toolbox==2.5.0\nnumpy==2.4.6\nscipy==1.17.1\n",
    "scico": "scico==0.0.7\njax==0.8.1\njaxlib==0.8.1\nnumpy==2.4.6\n",
    "mbirjax": "mbirjax==0.7.3\njax==0.10.1\njaxlib==0.10.1\nnumpy==2.4.6\n",
    "deepinv": "deepinv==0.5.0\ntorch==2.12.1\ntorchvision==0.27.1\nnumpy==2.4.6\n",
    "torchskradon": "torchskradon==0.1.4\ntorch==2.13.0\nnumpy==2.4.6\n",
}


class BuildError(Exception):
    """An environment could not be made; the message is the last line of pip."""


def python_of(name: str, cache: pathlib.Path) -> pathlib.Path:
    """Interpreter of a peer's environment, which is made unless it is up to date.

    The requirements are stored in the environment after everything is installed,
    so an interrupted build is begun again.

    Raises:
        BuildError: If it cannot be made.
    """
    folder = cache / name
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    text = REQUIREMENTS[name]
    if stamp.exists() and stamp.read_text() == text:
        return python
    print(f"making the environment of {name}", flush=True)
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    wanted = folder / "wanted.txt"
    wanted.write_text(text)
    _run(str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted))
    wanted.rename(stamp)
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise BuildError(lines[-1] if lines else f"exit code {done.returncode}")
