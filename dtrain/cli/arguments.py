"""The arguments of every command. Standard library only: `--help` and `--version` cost nothing."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from dtrain import __version__
from dtrain.config import recipes
from dtrain.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """Raises ConfigError for wrong arguments, so that one rank says so in one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `{self.prog} --help`")


def parser() -> Parser:
    """Returns the parser of the command line; `dtrain launch` has one of its own."""
    top = Parser(
        prog="dtrain",
        description="Trains neural networks on CPUs: on one process, or under mpirun on many.",
        epilog="Under `mpirun -n N dtrain …` a command runs on N ranks; without one, `mpirun -n N dtrain` trains the "
        "recipe 'digits'. Options alone belong to `train`.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"dtrain {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _train(commands.add_parser("train", help="train a config", allow_abbrev=False))
    commands.add_parser("launch", help="start an mpirun job, here or on several hosts", add_help=False)
    _doctor(
        commands.add_parser(
            "doctor", help="is something wrong with MPI, hosts or network?", allow_abbrev=False
        )
    )
    _debug(commands.add_parser("debug", help="an N-rank job in this one process", allow_abbrev=False))
    _verify(commands.add_parser("verify", help="the same bits on any number of ranks?", allow_abbrev=False))
    _plan(commands.add_parser("plan", help="how fast on how many ranks?", allow_abbrev=False))
    _evaluate(commands.add_parser("evaluate", help="loss and metrics of a run", allow_abbrev=False))
    _predict(commands.add_parser("predict", help="what a run says of samples", allow_abbrev=False))
    _plugins(commands.add_parser("plugins", help="what is installed, and from where", allow_abbrev=False))
    return top


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "config", metavar="CONFIG", nargs="?",
        help=f"a TOML file, or the name of a recipe: {', '.join(recipes())}; default: digits",
    )  # fmt: skip
    command.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[],
        help="change the config: --set optimizer.lr=0.01; any number of times",
    )  # fmt: skip


def _out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", metavar="DIR", help="the run folder; default: runs/<recipe>-<time>")


def _train(command: argparse.ArgumentParser) -> None:
    command.description = "Trains a config; under `mpirun -n N` this process is one of N ranks."
    _config(command)
    _out(command)
    command.add_argument(
        "--time-limit",
        metavar="TIME",
        help="save and end this job after so long: seconds, or 1h30m; over [train] time_limit, not recorded",
    )
    again = command.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on with the run in --out, on any number of ranks"
    )
    again.add_argument("--overwrite", action="store_true", help="replace the run in --out")


def _doctor(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Looks at MPI, the cores, memory, and on several hosts also at software, directory, names and ports; starts "
        "a job of ranks for a moment; says what is wrong, and the command that mends it. Ends within --limit. "
        "Exit codes: 0 nothing failed (there may be warnings), 1 something did, 2 a mistake in the arguments."
    )
    command.add_argument(
        "config",
        metavar="CONFIG",
        nargs="?",
        help="also: is there memory for this config? a TOML file or a recipe",
    )
    command.add_argument(
        "-n",
        "--ranks",
        metavar="N",
        type=_positive,
        help="ranks to try; default: 2, or the slots of the hosts",
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--hosts", metavar="A:8,B:8", help="the hosts, as for `dtrain launch`; default: this one"
    )
    where.add_argument("--hostfile", metavar="FILE", help="the same, a line a host: `a slots=8` or `a:8`")
    command.add_argument("--rsh-agent", dest="agent", metavar="PROGRAM", help="in place of ssh")
    command.add_argument(
        "--limit", metavar="SECONDS", type=_positive, default=10, help="for all of it; default: 10"
    )
    command.add_argument("--json", action="store_true", help="as one JSON object")


def _debug(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Runs an N-rank job in the threads of this process, with no MPI: pdb at the first error when there is a "
        "terminal, and every value that is not finite named by its layer."
    )
    _config(command)
    _out(command)
    command.add_argument("-n", "--ranks", metavar="N", type=_positive, default=2, help="ranks; default: 2")
    command.add_argument("--overwrite", action="store_true", help="replace the run in --out")


def _verify(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Trains some steps of a config on each number of ranks and compares, after every step, all parameters, running "
        "statistics, optimizer slots and figures, bit by bit, with the first number's. Names the first step, tensor "
        "and layer that differ. Leaves no run folder. Exit codes: 0 equal, 1 different, 2 a mistake in the input."
    )
    _config(command)
    command.add_argument(
        "-n",
        "--ranks",
        metavar="N,N,…",
        type=_ranks,
        default=[1, 2, 3, 5],
        help="default: 1,2,3,5; 1,1 repeats a run",
    )
    command.add_argument(
        "--steps", metavar="N", type=_positive, default=20, help="global batches; default: 20"
    )
    how = command.add_mutually_exclusive_group()
    how.add_argument("--threads", action="store_true", help="ranks are threads of this process: the default")
    how.add_argument("--processes", action="store_true", help="ranks are processes, as of `dtrain launch`")
    command.add_argument(
        "--private", action="store_true", help="no rank sees another's memory, as on different hosts"
    )
    command.add_argument(
        "--tolerance", metavar="X", type=float,
        help='with shards = "ranks": accept a difference of X at the end, by the largest number of each tensor',
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="as one JSON object")
    command.add_argument(
        "--record", metavar="DIR", help=argparse.SUPPRESS
    )  # what each rank process is called with
    command.add_argument("--keep", type=int, help=argparse.SUPPRESS)


def _plan(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Says what to expect of a config on each number of ranks, before there are so many: the time of a step, "
        "samples a second, efficiency, messages, memory, and from where on more ranks are a waste. Runs a few ranks "
        "for a few seconds to see what they compute, counts what many would send, and measures or is told what "
        "messages cost."
    )
    _config(command)
    command.add_argument(
        "--ranks", metavar="N,N,…", type=_ranks,
        help="numbers of ranks, such as 2,8,64,1024; default: doublings up to all that the hosts take",
    )  # fmt: skip
    command.add_argument(
        "--hosts",
        metavar="A:8,B:8",
        help="the hosts, and how many ranks each is meant for; default: this machine",
    )
    command.add_argument("--hostfile", metavar="FILE", help="the same, a line a host: `a slots=8` or `a:8`")
    command.add_argument(
        "--per-host",
        metavar="K",
        type=_positive,
        help="ranks a host, of hosts like this one; default: its cores",
    )
    command.add_argument(
        "--network", metavar="RATE,LATENCY", help="between hosts, instead of a measurement: 10gbit,50us"
    )
    command.add_argument(
        "--against", metavar="RUN",
        help="the folder of a finished run to compare with; default: the last of this config in runs/",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="as one JSON object")
    command.add_argument("--probe", help=argparse.SUPPRESS)  # what each process that measures is called with


def _ranks(text: str) -> list[int]:
    return [_positive(word.strip()) for word in text.split(",")]


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", metavar="RUN", help="the folder of a run, finished or interrupted")
    command.add_argument(
        "--checkpoint", metavar="NAME", default="last",
        help="last, best, or the name or the step of one; default: last, the newest that is whole",
    )  # fmt: skip
    command.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[],
        help="change the run's config: --set data.path=other.npz; any number of times",
    )  # fmt: skip


def _evaluate(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Prints the loss and the metrics of a run, every sample counted once; under `mpirun -n N` on N ranks, with "
        "the same figures."
    )
    _run(command)
    _split(command, "; default: validation, or all of the data that --set data.… names")
    command.add_argument("--json", action="store_true", help="as one JSON object")


def _split(command: Any, further: str) -> None:
    command.add_argument(
        "--split", choices=("validation", "train", "all"), default=None,
        help=f"the samples held out, those trained on, or all of them{further}",
    )  # fmt: skip


def _predict(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Writes what a run says of samples, in their order; under `mpirun -n N` each rank reads and writes its own "
        "rows. The input may be larger than memory."
    )
    _run(command)
    samples = command.add_mutually_exclusive_group(required=True)
    samples.add_argument(
        "--input", metavar="X.npy",
        help="the samples, (rows, …); or a file that the run's dataset reads: X.csv, with or without the target",
    )  # fmt: skip
    _split(samples, ", of the config's data instead of a file")
    command.add_argument(
        "--output",
        metavar="Y.npy",
        required=True,
        help="gets the predictions; with --draws, their mean; a name in .csv: as text",
    )
    command.add_argument("--overwrite", action="store_true", help="replace what --output and --spread name")
    command.add_argument(
        "--draws", metavar="N", type=_positive, help="Monte-Carlo dropout: sample the network N times"
    )
    command.add_argument(
        "--spread", metavar="S.npy", help="with --draws: gets the standard deviation of each prediction"
    )
    command.add_argument("--layer", metavar="ID", help="the output of this layer instead of predictions")
    command.add_argument(
        "--non-finite", choices=("warn", "refuse", "allow"), default="warn",
        help="what happens where samples hold NaN or infinity; default: warn",
    )  # fmt: skip


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _plugins(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    table = actions.add_parser("list", help="every part: kind, name, plugin, distribution, version")
    table.add_argument("--json", action="store_true", help="as JSON: a list of objects")
    show = actions.add_parser(
        "show", help="all about one part: what it does, its options, where it comes from"
    )
    show.add_argument("part", metavar="KIND.NAME", help="such as optimizers.adam")
    check = actions.add_parser("check", help="the conformance checks, over all that a plugin offers")
    check.add_argument("name", metavar="NAME", help="the plugin's entry point, such as dtrain-layers")
    check.add_argument(
        "-v", "--verbose", action="store_true", help="every check of every part, not only totals"
    )
    check.add_argument(
        "--config",
        metavar="FILE",
        help="a config: its tables are further examples, such as [data] for a dataset that needs a file",
    )
    new = actions.add_parser("new", help="start a plugin of your own: module, pyproject, tests, README")
    new.add_argument("name", metavar="NAME", help="of the project, in lower case, such as acme")
    new.add_argument(
        "--kind", metavar="KIND,…", default="layer", help="what it offers: layer,optimizer,…; default: layer"
    )
    new.add_argument("--out", metavar="DIR", default=".", help="where the folder NAME is made; default: here")
