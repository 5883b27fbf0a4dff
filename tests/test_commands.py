"""`sisr-jax COMMAND`: each command of the package, and nothing else."""

import pathlib
import runpy
import sys

import pytest

from sisr_jax.__main__ import COMMANDS, main

PACKAGE = pathlib.Path(__file__).parents[1] / "sisr_jax"


def _call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["sisr-jax", *arguments])
    main()


def test_every_module_that_runs_is_a_command():
    runs = [
        p for p in PACKAGE.rglob("*.py") if 'if __name__ == "__main__"' in p.read_text()
    ]
    names = {
        path.parent.name if path.stem == "__main__" else path.stem for path in runs
    }
    assert names - {"sisr_jax"} == set(COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_lists_the_commands(monkeypatch, capsys, arguments):
    _call(monkeypatch, *arguments)
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)


def test_a_command_gets_its_arguments(monkeypatch):
    called = []

    def record(module, **how):
        called.append((module, how, sys.argv))

    monkeypatch.setattr(runpy, "run_module", record)
    _call(monkeypatch, "data", "inspect", "main")
    how = {"run_name": "__main__", "alter_sys": True}
    assert called == [("sisr_jax.data", how, ["sisr-jax", "inspect", "main"])]


def test_an_unknown_command_is_one_line(monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        _call(monkeypatch, "trian", "--help")
    assert caught.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    (line,) = found.err.splitlines()
    assert line.startswith("sisr_jax: error: 'trian': expected one of main, data")
