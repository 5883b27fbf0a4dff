"""A plugin of pytest that notes which test files run which lines of the package.

    pip install coverage
    python -m pytest -m "not slow" -p experiments.mutation.cover --covering FILE

FILE becomes a JSON object: for each source, for each of its lines, the test files that
run it; and for each test file how long it took. Programs that a test starts are not
seen, nor is what only an import runs.
"""

import json
import pathlib
import time
from collections import defaultdict

import coverage
import pytest

ROOT = pathlib.Path(__file__).parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--covering", type=pathlib.Path, required=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Cover(config.getoption("--covering")))


class _Cover:
    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._seconds: dict[str, float] = defaultdict(float)
        self._coverage = coverage.Coverage(
            data_file=None, source=[str(ROOT / "sisr_jax")], config_file=False
        )
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> object:
        name = str(item.path.relative_to(ROOT))
        self._coverage.switch_context(name)
        start = time.monotonic()
        try:
            return (yield)
        finally:
            self._seconds[name] += time.monotonic() - start

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            str(pathlib.Path(file).relative_to(ROOT)): {
                line: sorted(filter(None, contexts))
                for line, contexts in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        self._path.write_text(json.dumps({"lines": lines, "seconds": self._seconds}))
