"""The words for a kind: `optimizers` in hooks and configs, `optimizer` in sentences."""

from __future__ import annotations

from dtrain.contracts import KINDS

HOOK_PREFIX = "dtrain_"


def hook_of(kind: str) -> str:
    """Returns the name of the hook of a kind."""
    return HOOK_PREFIX + kind


def noun(kind: str) -> str:
    """Returns the word for one part of a kind: the name of its contract, in lower case."""
    return KINDS[kind].__name__.lower()


def a(word: str) -> str:
    """Returns the word behind its article."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def kind_of(annotation: object) -> str | None:
    """Returns the kind whose contract a class is, or is derived from; None for anything else."""
    if not isinstance(annotation, type):
        return None
    kinds = [kind for kind, contract in KINDS.items() if issubclass(annotation, contract)]
    # An activation is a layer too: the narrower contract is the one meant.
    return max(kinds, key=lambda kind: len(KINDS[kind].__mro__), default=None)
