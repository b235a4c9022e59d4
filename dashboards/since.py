"""What is read of each trial once, and again when the trial has changed."""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from ..search.records import Study
from .site import Asked

__all__ = ["Since"]

T = TypeVar("T")
Reader = Callable[[Session, Study, int], Iterable[tuple[int, T]]]


class Since(Generic[T]):
    """What ``read(session, study, seq)`` gives of the trials that changed after ``seq``, kept."""

    def __init__(self, read: Reader[T]) -> None:
        self._read = read
        self._known: dict[str, tuple[int, dict[int, T]]] = {}  # by study: cursor, by number
        self._locks: dict[str, Lock] = {}  # by study

    def of(self, asked: Asked) -> Mapping[int, T]:
        """By the number of the trial; of one that is no longer such it may hold what was."""
        uid, cursor = asked.study.uid, asked.snapshot.cursor
        with self._locks.setdefault(uid, Lock()):
            since, known = self._known.get(uid, (-1, {}))
            if since > cursor:  # another thread asks for an older state, or the study was put back
                since, known = -1, {}
            if since < cursor:
                fresh = dict(self._read(asked.session, asked.study, since))
                known = known | fresh if fresh else known  # others may be reading the old one
                self._known[uid] = cursor, known
            return known
