"""A driver's sign of life, and its look at those of the others.

Whether another driver is alive is judged by whether its beats change while this one watches: no
clock is compared with another machine's, so they may differ by any amount. Only what this driver
has watched without a break counts; after a time without the database all others have their full
lease again, since they could not write either.
"""

import os
import platform
import socket
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from uuid import uuid4

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from . import store
from .records import Driver

__all__ = ["Lease", "home"]


@dataclass(slots=True)
class _Watched:
    beats: int
    since: float  # monotonic seconds at which they were first seen


class Lease:
    """Of one driver on one study; ``end`` it. Beats in a thread of its own."""

    def __init__(
        self,
        engine: Engine,
        study_id: int,
        say: Callable[[str], None],
        *,
        every: float = store.BEAT.total_seconds(),
        lease: float = store.LEASE.total_seconds(),
    ) -> None:
        self.engine, self.study_id, self.say = engine, study_id, say
        self.every, self.lease = every, lease
        self.uid = uuid4().hex
        self.driver_id = 0
        self.is_asked_to_stop = False
        self._watched: dict[int, _Watched] = {}
        self._looked: float | None = None  # monotonic seconds of the last look that succeeded
        with Session(engine) as session, session.begin():
            self._register(session)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="foveate-lease", daemon=True)
        self._thread.start()

    def _register(self, session: Session) -> None:
        study = store.locked(session, self.study_id)
        about = {"host": socket.gethostname(), "pid": os.getpid(), "home": home()}
        self.driver_id = store.register(session, study, uid=self.uid, **about).id

    def hold(self, session: Session) -> None:
        """Before this driver is given a trial, the study locked: see that it has not been given up.

        One that others gave up, as it was suspended or cut off, goes on as a new one.
        """
        mine = session.get(Driver, self.driver_id, populate_existing=True)
        if mine is None or mine.ended is not None:
            self.uid = uuid4().hex
            self._register(session)

    def end(self) -> None:
        """No more beats."""
        self._ended.set()
        self._thread.join()

    def leave(self) -> None:
        """Give back what this driver has in training, and say that it has ended."""
        with Session(self.engine) as session, session.begin():
            study = store.locked(session, self.study_id)
            mine = session.get(Driver, self.driver_id)
            if mine is not None and mine.ended is None:
                store.bury(session, study, mine, "closed")

    def _beat(self) -> None:
        while not self._ended.wait(self.every):
            with suppress(Exception):  # the database may be away; whoever tells it of a trial waits
                self.look()

    def look(self) -> None:
        """Give a sign of life, and take from drivers that are dead what they had in training."""
        with Session(self.engine) as session, session.begin():
            if not store.beat(session, self.driver_id):
                self.hold(session)
            there = store.drivers(session, self.study_id)
            self.is_asked_to_stop |= any(d.stop for d in there if d.id == self.driver_id)
            others = [driver for driver in there if driver.id != self.driver_id]
            at = monotonic()
            is_dead = self._judged(others, at)
            dead = [driver.id for driver in others if is_dead[driver.id]]
            left = store.strays(session, self.study_id)
        self._looked = at
        for driver_id in dead:
            self._take_over(driver_id)
        if left:
            self._put_back_strays()

    def _put_back_strays(self) -> None:
        with Session(self.engine) as session, session.begin():
            study = store.locked(session, self.study_id)
            for trial in store.strays(session, study.id):
                store.put_back(session, trial)

    def _judged(self, others: list[Driver], at: float) -> dict[int, bool]:
        if self._looked is None or at - self._looked > self.lease / 2:
            self._watched.clear()  # nobody was watched in between
        found = {}
        for driver in others:
            seen = self._watched.get(driver.id)
            if seen is None or seen.beats != driver.beats:
                seen = self._watched[driver.id] = _Watched(driver.beats, at)
            gone = driver.home == home() and driver.home is not None and not _is_alive(driver.pid)
            found[driver.id] = gone or at - seen.since > self.lease
        return found

    def _take_over(self, driver_id: int) -> None:
        with Session(self.engine) as session, session.begin():
            study = store.locked(session, self.study_id)
            driver = session.get(Driver, driver_id, populate_existing=True)
            watched = self._watched.get(driver_id)
            if driver is None or driver.ended is not None:
                return  # another was quicker
            if watched is not None and watched.beats != driver.beats:
                return  # it was only slow
            left = store.bury(session, study, driver, "lost")
            about = f"process {driver.pid} on {driver.host}"
        if left:
            trials = ", ".join(map(str, left))
            self.say(f"The driver of {about} is gone; what it was training waits: trial {trials}")


def home() -> str | None:
    """Names the machine, or the container, whose process numbers are those of this process."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return f"{uuid.getnode()}" if platform.system() in ("Darwin", "Windows") else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):  # a process that ended and that nobody has waited for
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
