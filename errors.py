"""The user's mistakes: one sentence each, raised before anything is written or started.

The command line prints these and nothing else; every other exception is a fault of ours and keeps
its traceback.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = ["BadValue", "UnknownName", "UserError", "listed", "unknown"]


class UserError(Exception):
    """Something that the user can put right."""

    def __str__(self) -> str:  # KeyError-like parents would show the sentence in quotes
        return str(self.args[0]) if self.args else ""


class BadValue(UserError, ValueError):
    """A value that cannot be meant."""


class UnknownName(UserError, LookupError):
    """A name that nothing answers to."""


def listed(names: Iterable[object], *, last: str = "and") -> str:
    """``a, b and c``."""
    words = [str(name) for name in names]
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def unknown(
    kind: str, name: str, known: Sequence[str], *, near: Iterable[str] = (), shown: int = 20
) -> UnknownName:
    """The error for ``name``, with the nearest known name and what there is.

    ``near`` are names that are not listed, but may have been meant.
    """
    every = [*known, *near]
    close = get_close_matches(name, every, n=1) or get_close_matches(name.lower(), every, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = f" and {len(known) - shown} more" if len(known) > shown else ""
    there = f"there are: {', '.join(known[:shown])}{more}" if known else "there are none"
    return UnknownName(f"no {kind} {name!r}; {hint}{there}")
