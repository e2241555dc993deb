"""One line about an error that a plugin raised, for its author."""

from __future__ import annotations

import traceback


def one_line(error: BaseException | str) -> str:
    """Returns a message without its line breaks: a user's mistake is one line on the screen."""
    return " ".join(str(error).split())


def cause(error: BaseException) -> str:
    """Returns type, message and the place where it was raised: `KeyError: 'x' (acme.py, line 3)`."""
    text = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")
    ]
    if isinstance(error, SyntaxError) or not frames:  # a SyntaxError names its place by itself
        return text
    return f"{text} ({frames[-1].filename}, line {frames[-1].lineno})"
