"""Searches that were started from a dashboard: processes that outlive it, and what they said."""

import fcntl
import json
import os
import secrets
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock, Thread

from ..errors import BadValue
from ..search.hands import checked_name
from ..search.records import now
from .processes import command, environment

__all__ = ["Drivers", "Run"]

LOG_END = 16_000  # bytes of a log that are shown
KEPT = 50  # runs
PATIENCE = 120.0  # seconds for a command that only changes a row


@dataclass(frozen=True, slots=True)
class Run:
    """A search that was started."""

    id: str  # of its folder
    study: str
    pid: int
    started: str  # UTC

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return (now() - datetime.fromisoformat(self.started)).total_seconds()


class Drivers:
    """Starts and stops searches in the database at ``storage``; its ``folder`` says which.

    Each run has a folder there with its spec, its log and a file that its process keeps locked
    while it lives: so a later dashboard knows, too. A process runs where the dashboard does, so
    that paths mean the same, in a session of its own: it goes on when the dashboard ends.
    """

    def __init__(self, storage: str, folder: Path) -> None:
        self.storage, self.folder = storage, folder
        self._lock = Lock()

    def start(self, study: str, text: str) -> Run:
        """Begin or go on with the search of ``study`` by the spec ``text``.

        Raises
            BadValue  if no study may be called so, one started here is at work, or nothing can be
                      written
        """
        checked_name(study)
        with self._lock:  # who presses twice starts once
            return self._start(study, text)

    def _start(self, study: str, text: str) -> Run:
        if any(run.study == study and self.is_alive(run) for run in self.runs()):
            raise BadValue(f"study {study!r} is being searched already")
        id = f"{now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}"
        home = self.folder / id
        try:
            home.mkdir(parents=True, mode=0o700)
            (home / "spec.yaml").write_text(text, encoding="utf-8")
            pid = self._begin(study, home)
        except OSError as error:
            raise BadValue(f"cannot start a search from {str(home)!r}: {error.strerror}") from None
        run = Run(id, study, pid, now().isoformat())
        (home / "run.json").write_text(json.dumps(asdict(run)), encoding="utf-8")
        self._forget()
        return run

    def _begin(self, study: str, home: Path) -> int:
        words = ["search", str(home / "spec.yaml"), f"--study={study}", "--plain"]
        with (home / "log").open("wb") as log, (home / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(
                command("cli", *words),
                env=environment(FOVEATE_STORAGE=self.storage, PYTHONUNBUFFERED="1"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
        Thread(target=process.wait, daemon=True).start()  # else it would stay a zombie
        return process.pid

    def runs(self) -> list[Run]:
        """The latest first."""
        found = []
        for path in sorted(self.folder.glob("*/run.json"), reverse=True):
            with suppress(OSError, ValueError, TypeError):  # one that is being removed
                found.append(Run(**json.loads(path.read_text(encoding="utf-8"))))
        return found

    def is_alive(self, run: Run) -> bool:
        """Whether its process is at work."""
        try:
            with (self.folder / run.id / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def log(self, run: Run) -> str:
        """The end of what it said."""
        with suppress(FileNotFoundError), (self.folder / run.id / "log").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_END))
            text = file.read().decode("utf-8", "replace")
            return text if size <= LOG_END else f"…{text.partition(chr(10))[2]}"
        return ""

    def stop(self, study: str) -> str:
        """Ask whoever searches ``study`` to end, and return what the command says.

        Raises
            BadValue  with what it says against it
        """
        ran = subprocess.run(
            command("cli", "stop", "--", study),
            env=environment(FOVEATE_STORAGE=self.storage),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["it cannot be stopped"])[-1]
            raise BadValue(last.removeprefix("foveate: "))
        return ran.stdout.strip()

    def _forget(self) -> None:
        """Remove what is left of the oldest runs that have ended."""
        for run in self.runs()[KEPT:]:
            if not self.is_alive(run):
                for path in (self.folder / run.id).iterdir():
                    path.unlink()
                (self.folder / run.id).rmdir()
