"""The known name nearest to a wrong one: spelling, then abbreviations, then likeness."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping

_TOKEN = re.compile(r"\d+[dD]?(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""A word within a name: of camel case, of snake case, or the number of axes of `Conv2D`."""

_KINDS = frozenset(
    (
        "activation", "callback", "dataset", "exchange", "initializer", "layer", "loss", "lr", "metric", "optimizer",
        "regularizer", "schedule", "scheduler", "transform",
    )
)  # fmt: skip
"""What other libraries append to a name to say what it is: `MSELoss`, `StepLR`."""

_SHORTEST = 3  # letters of an abbreviation
_ALIKE = 0.6


def nearest(word: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str | None:
    """Return the known name that `word` stands for, or None.

    In this order: a name of the same letters, whatever the case and what stands between them (`LeakyReLU`); the same
    without the kind of part and the number of axes (`MSELoss`, `BatchNorm1d`); one of the same initials (`BCELoss`);
    one whose words begin it, maybe cut short (`AvgPool2d`, `BatchNormalization`); the one most like it.

    aliases: other names, and the known ones that they stand for.
    """
    names = {name: name for name in known}
    names |= {alias: name for alias, name in (aliases or {}).items() if name in names}
    tokens = {name: _tokens(name) for name in names}
    wanted = _tokens(word)
    for same in (_letters, _stem, _initials):
        for name, found in tokens.items():
            if wanted and same(wanted, found):
                return names[name]
    led = [name for name, found in tokens.items() if _leads(found, wanted)]
    if led:
        return names[max(led, key=lambda name: len(tokens[name]))]
    near = _most_like(word, names, lambda text: text) or _most_like(word, names, _plain)
    return None if near is None else names[near]


def _tokens(name: str) -> list[str]:
    return [token.lower() for token in _TOKEN.findall(name)]


def _plain(name: str) -> str:
    return "".join(_tokens(name))


def _letters(a: list[str], b: list[str]) -> bool:
    return "".join(a) == "".join(b)


def _stem(a: list[str], b: list[str]) -> bool:
    return _stripped(a) == _stripped(b) != ""


def _stripped(tokens: list[str]) -> str:
    """Returns the letters without what says the kind, at the end, and without a number of axes."""
    while len(tokens) > 1 and (tokens[-1] in _KINDS or re.fullmatch(r"\d+d", tokens[-1])):
        tokens = tokens[:-1]
    return "".join(tokens)


def _initials(a: list[str], b: list[str]) -> bool:
    """Return whether one is a word of the other's first letters."""
    return any(
        len(full) > 1 and len(short) == len(full) and short == "".join(token[0] for token in full)
        for short, full in ((_stripped(a), b), (_stripped(b), a))
    )


def _leads(known: list[str], word: list[str]) -> bool:
    return 0 < len(known) <= len(word) and all(map(_short_for, known, word))


def _short_for(a: str, b: str) -> bool:
    """Return whether one is the other, cut short: `norm`, `avg`."""
    short, full = sorted((a, b), key=len)
    if a == b:
        return True
    letters = iter(full)
    return len(short) >= _SHORTEST and short[0] == full[0] and all(letter in letters for letter in short)


def _most_like(word: str, names: Iterable[str], form: Callable[[str], str]) -> str | None:
    forms = {form(name): name for name in names}
    near = difflib.get_close_matches(form(word), forms, n=1, cutoff=_ALIKE)
    return forms[near[0]] if near else None
