"""Every error that dtrain raises on purpose.

DtrainError
├── UserError               the user's mistake: one line on the screen, exit code 2
│   ├── ConfigError         a key of the config, or a command-line argument
│   ├── DataError           a data file, or what is in it
│   ├── PluginError         a plugin that is missing, broken or in conflict
│   └── CheckpointError     a checkpoint that is missing, damaged or does not fit
└── RunError                a failure while running: exit code 1
    ├── OptionError         an option set to what it does not take; a ValueError, too
    ├── NonFiniteError      a loss or a gradient that is not finite, with `non_finite = "stop"`
    ├── CollectiveMismatch  ranks met in different collectives
    └── PeerFailed          another rank failed; its own report says why
        └── RankLost        ranks have died, and those that are left can go on without them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .nearest import nearest


class DtrainError(Exception):
    """The root of the tree above."""

    everywhere = False
    """Whether every rank of the job raised it, from the same figures: then one of them speaks for all."""


def on_all_ranks(error: DtrainError) -> DtrainError:
    """Marks an error as raised by every rank, and returns it."""
    error.everywhere = True
    return error


class UserError(DtrainError):
    """The user's mistake. The message is one line: what was expected, what came, where, what to do."""


class ConfigError(UserError):
    """A wrong key, value or combination in a config, a `--set` or an argument."""


class DataError(UserError):
    """A data file that is missing, truncated or holds what cannot be trained on."""


class PluginError(UserError):
    """A plugin that is missing, broken or in conflict; names plugin, distribution and version."""


class CheckpointError(UserError):
    """A checkpoint that is missing, damaged, or belongs to another network."""


class RunError(DtrainError):
    """A failure while running."""


class OptionError(RunError, ValueError):
    """An option of a part set to a value outside its range; a ValueError, too, so that building a part raises one."""


class NonFiniteError(RunError):
    """A step whose loss or gradient is not finite."""


class CollectiveMismatch(RunError):
    """Two ranks met in different collectives."""


class PeerFailed(RunError):
    """Another rank of the job failed."""


class RankLost(PeerFailed):
    """Ranks of the job have died; the others may `shrink` and go on."""


def did_you_mean(word: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Returns `; did you mean 'x'?` for the known word nearest to `word`, or nothing; aliases: as of `nearest`."""
    near = nearest(word, known, aliases)
    return f"; did you mean {near!r}?" if near is not None else ""


def shortlist(names: Sequence[str]) -> str:
    """Return the first eight names in their order, quoted and joined for a message: `'a', 'b'`, then `…` for more."""
    return ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")


def listed(names: Iterable[str]) -> str:
    """Returns names sorted, quoted and joined for a message: `'a', 'b'`, or `none`."""
    return ", ".join(repr(name) for name in sorted(names)) or "none"
