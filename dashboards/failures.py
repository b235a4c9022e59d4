"""What failed, the commonest first; of one kind are messages that differ in numbers alone."""

from threading import Lock
from typing import Any

from ..search import store
from ..search.health import first_line, kind
from .filters import Filter
from .site import Asked

__all__ = ["Reasons", "failures"]

KINDS = 50  # the commonest
NUMBERS = 5  # of each the latest trials


class Reasons:
    """Why trials failed, by study; each is read once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, dict[int, tuple[str, str]]]] = {}  # cursor, by number
        self._lock = Lock()

    def of(self, asked: Asked) -> dict[int, tuple[str, str]]:
        """The kind and the first line, by the trial's number; some may no longer be failed."""
        uid, cursor = asked.study.uid, asked.snapshot.cursor
        with self._lock:
            since, known = self._known.get(uid, (-1, {}))
            if since > cursor:  # the study was put back
                since, known = -1, {}
            if since < cursor:
                known = dict(known)  # others may be reading
                for number, reason in store.failed_since(asked.session, asked.study, since):
                    said = first_line(reason)
                    known[number] = kind(said), said
                self._known[uid] = cursor, known
            return known


def failures(asked: Asked, wanted: Filter, reasons: Reasons) -> dict[str, Any]:
    """The kinds of failures among the trials that ``wanted`` lets through, and how many there are.

    ``message`` is the first line with … for what varies, and ``such_as`` the latest one as it is.
    """
    snapshot, mask = asked.snapshot, wanted.mask(asked)
    failed = snapshot.number[mask & snapshot.is_in("failed")].tolist()
    known = reasons.of(asked)
    kinds: dict[str, list[int]] = {}
    for number in failed:
        kinds.setdefault(known[number][0], []).append(number)
    common = sorted(kinds.items(), key=lambda one: (-len(one[1]), -one[1][-1]))
    return {
        "failed": len(failed),
        "tried_again": int(snapshot.failures[mask].sum()),
        "kinds": len(kinds),
        "failures": [
            {
                "message": message,
                "such_as": known[numbers[-1]][1],
                "count": len(numbers),
                "last": numbers[-1],
                "numbers": numbers[: -NUMBERS - 1 : -1],
            }
            for message, numbers in common[:KINDS]
        ],
    }
