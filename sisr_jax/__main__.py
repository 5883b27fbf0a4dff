"""Runs a command: `sisr-jax main ...` is `python -m sisr_jax.main ...`."""

import contextlib
import runpy
import sys

from sisr_jax.errors import ExitCode, end_at_interrupts, ending

COMMANDS = {
    "main": "train a configuration, or evaluate a working folder",
    "data": "look at a folder of images, or prepare a data set",
    "enhance": "restore a file or a folder of images",
    "trust": "measure noise, resolution, bias and detectability",
    "bundle": "put the trained network of a run into a folder to share",
    "export": "write a network as a program of its own",
    "config": "explain the keys of a configuration",
    "aot": "compile for TPUs that are not there",
    "supervise": "run a command again when it was preempted",
}


def main() -> None:
    """Runs the module of the package that the first argument names."""
    end_at_interrupts()
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in COMMANDS:
        sys.argv = [sys.argv[0], *arguments]
        runpy.run_module(f"sisr_jax.{command}", run_name="__main__", alter_sys=True)
    elif command in ("--help", "-h"):
        if code := ending("sisr_jax", _list_commands):
            sys.exit(code)
    else:
        names = ", ".join(COMMANDS)
        print(f"sisr_jax: error: {command!r}: expected one of {names}", file=sys.stderr)
        sys.exit(ExitCode.BAD_INPUT)


def _list_commands() -> int:
    with contextlib.suppress(BrokenPipeError):  # read as far as somebody cared to
        print("sisr-jax COMMAND ... (COMMAND --help tells its arguments)")
        for name, does in COMMANDS.items():
            print(f"  {name:<10} {does}")
    return ExitCode.DONE


if __name__ == "__main__":
    main()
