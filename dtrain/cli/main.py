"""The entry point of the command `dtrain`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dtrain.communicator.environment import Launched

    from .guard import Scope


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["launch"]:
        import dtrain_launch

        return dtrain_launch.main(arguments[1:])
    from dtrain.communicator.losses import ENDING  # here: a launcher needs none of it, and every start counts

    from .guard import guarded
    from .streams import let_go_of_streams

    code = guarded(lambda scope: _run(arguments, scope))
    let_go_of_streams()
    ENDING.leave(code)
    return code


def _run(arguments: list[str], scope: Scope) -> int:
    from .arguments import parser

    options = parser().parse_args(_with_command(arguments, scope.launched))
    if options.command == "train":
        from .train import train

        return train(options, scope)
    if options.command == "doctor":
        from .doctor import doctor

        return doctor(options, scope)
    if options.command == "debug":
        from .debug import debug

        return debug(options, scope)
    if options.command == "evaluate":
        from .evaluate import evaluate

        return evaluate(options, scope)
    if options.command == "predict":
        from .predict import predict

        return predict(options, scope)
    if options.command == "verify":
        from .verify import verify

        return verify(options, scope)
    if options.command == "plan":
        from .plan import plan

        return plan(options, scope)
    from .plugins import plugins

    with suppress(BrokenPipeError):  # `dtrain plugins list | head`
        return plugins(options)
    return 0


def _with_command(arguments: list[str], started: Launched | None) -> list[str]:
    """Returns the arguments with a command: without one, options train; nothing at all trains under a launcher.

    In a shell, nothing at all shows the help.
    """
    if not arguments:
        return ["train"] if started else ["--help"]
    if arguments[0].startswith("-") and arguments[0] not in ("-h", "--help", "--version"):
        return ["train", *arguments]
    return arguments
