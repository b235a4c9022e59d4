"""What failed, the commonest first; of one kind are messages that differ in numbers alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from ..search import store
from ..search.health import first_line, kind
from ..search.records import Study
from .filters import Filter
from .site import Asked

__all__ = ["failures", "reasons_since"]

KINDS = 50  # the commonest
NUMBERS = 5  # of each the latest trials


def reasons_since(
    session: Session, study: Study, seq: int
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Of each trial that failed after ``seq``: the kind of its failure, and its first line."""
    for number, reason in store.failed_since(session, study, seq):
        said = first_line(reason)
        yield number, (kind(said), said)


def failures(
    asked: Asked, wanted: Filter, reasons: Mapping[int, tuple[str, str]]
) -> dict[str, Any]:
    """The kinds of failures among the trials that ``wanted`` lets through, and how many there are.

    ``message`` is the first line with … for what varies, and ``such_as`` the latest one as it is.
    """
    snapshot, mask = asked.snapshot, wanted.mask(asked)
    failed = snapshot.number[mask & snapshot.is_in("failed")].tolist()
    kinds: dict[str, list[int]] = {}
    for number in filter(reasons.__contains__, failed):  # one may have changed meanwhile
        kinds.setdefault(reasons[number][0], []).append(number)
    common = sorted(kinds.items(), key=lambda one: (-len(one[1]), -one[1][-1]))
    return {
        "failed": len(failed),
        "tried_again": int(snapshot.failures[mask].sum()),
        "kinds": len(kinds),
        "failures": [
            {
                "message": message,
                "such_as": reasons[numbers[-1]][1],
                "count": len(numbers),
                "last": numbers[-1],
                "numbers": numbers[: -NUMBERS - 1 : -1],
            }
            for message, numbers in common[:KINDS]
        ],
    }
