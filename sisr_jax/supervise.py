"""Runs a command again when it was preempted, killed or lost another host.

    python -m sisr_jax.supervise -- python -m sisr_jax.main --config=... --workdir=...

Exit code 75 and death by SIGABRT, SIGBUS, SIGHUP, SIGKILL, SIGSEGV or SIGTERM ask for
a restart; every other exit code is returned. The run resumes from its newest
checkpoint. On several hosts each one runs its command under a supervisor, and all meet
again. Restarts without progress are bounded, and wait longer and longer. SIGTERM or
Ctrl-C to the supervisor asks the command to leave, and nothing is restarted after it.
The command ends with its supervisor, whatever ends that.
"""

import argparse
import signal
import sys
from collections.abc import Callable

from sisr_jax.arguments import CommandParser
from sisr_jax.errors import ending
from sisr_jax.hosts.supervision import Limits, Supervisor, say


def _at_least(low: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not low <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text}: expected {low:g} or more")
        return value

    return number


def main() -> None:
    """Parses the command line, runs, and exits with the command's code."""
    sys.exit(ending("sisr_jax.supervise", _run))


def _run() -> int:
    parser = CommandParser("sisr_jax.supervise", __doc__)
    number = parser.add_argument
    number("--max_restarts", type=int, default=10, help="in a row without progress")
    number("--first_seconds", type=_at_least(0), default=2.0, help="first wait")
    number("--longest_seconds", type=_at_least(0), default=120.0, help="longest wait")
    number(
        "--stopped_seconds",
        type=_at_least(0),
        default=100.0,
        help="a command that is stopped for so long is killed",
    )
    parser.add_argument("command", nargs="+", help="what to run, behind --")
    values = vars(parser.parse_args())
    command = values.pop("command")
    supervisor = Supervisor(command, Limits(**values))
    signal.signal(signal.SIGTERM, supervisor.stop)
    # The terminal sends Ctrl-C to the command as well, which a second one ends at once;
    # so the supervisor asks by the other signal.
    signal.signal(signal.SIGINT, supervisor.stop)
    try:
        code = supervisor.run()
    except OSError as error:
        say(f"error: {command[0]}: {error.strerror or error}")
        code = 127
    return code


if __name__ == "__main__":
    main()
