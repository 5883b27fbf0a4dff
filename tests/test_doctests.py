"""Each public function has an example in its docstring, which runs as it stands."""

import doctest
import enum
import importlib
import inspect

import pytest

from docs.generate.pages import REFERENCE

MODULES = [module for _, modules in REFERENCE.values() for module in modules]


def public(module):
    """What the reference shows of a module, by name."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__
            and not name.startswith("_")
        ]
    return {name: value for name in names if callable(value := getattr(module, name))}


def is_made_by_functions(value):
    """Whether it is a type that a user meets as a result, and does not construct."""
    return inspect.isclass(value) and (
        issubclass(value, tuple | enum.Enum) or getattr(value, "_is_protocol", False)
    )


def examples_of(name, value):
    """The doctests of a function or a class, without the names of its module."""
    return [
        test
        for test in doctest.DocTestFinder().find(value, name, globs={})
        if test.examples
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_say_what_happens(name):
    module = importlib.import_module(f"sisr_jax.{name}")
    runner = doctest.DocTestRunner(verbose=False)
    without, report = [], []
    for each, value in public(module).items():
        found = examples_of(each, value)
        shows = any(line.want for test in found for line in test.examples)
        if not shows and not is_made_by_functions(value):
            without.append(each)
        for test in found:
            runner.run(test, out=report.append)
    assert not without, "no `Examples:` with a result in the docstring"
    assert not runner.summarize(verbose=False).failed, "".join(report)


def test_a_wrong_example_is_found():
    def twice(x):
        """Twice.

        >>> 2 * 2
        5
        """

    (test,) = examples_of("twice", twice)
    assert doctest.DocTestRunner(verbose=False).run(test, out=str).failed == 1


def test_every_room_of_the_library_is_in_the_reference():
    rooms = {name.split(".")[0] for name in MODULES}
    assert rooms == {
        "data",
        "degradation",
        "image",
        "inference",
        "losses",
        "metrics",
        "models",
        "operators",
        "random",
        "reconstruction",
        "tomography",
        "types",
        "ultrasound",
    }
