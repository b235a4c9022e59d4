"""Work in processes of its own: some at a time, the others wait; what they wrote is kept a while.

Each job has a folder, in which its process runs and leaves a file. It is served by the job's id,
which nobody guesses, never by its path.
"""

import json
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Lock, Timer
from typing import IO, Any

from starlette.exceptions import HTTPException

from ..errors import BadValue
from .processes import command, environment

__all__ = ["Job", "Jobs"]

LOG = logging.getLogger(__name__)
PREFIX = "export-"  # of the folders of jobs
OWN = re.compile(PREFIX + r"[\w-]{22}")


@dataclass(slots=True)
class Job:
    """A piece of work, as far as it has got."""

    id: str
    key: Hashable  # equal for equal work
    state: str = "waiting"  # running, done, failed
    stage: str | None = None  # in the words of its process
    progress: float = 0.0  # share of the work, 0 to 1
    message: str = ""  # once it has ended: what was found, or what was wrong
    file: Path | None = field(default=None)
    sha256: str | None = None  # of the file
    bytes: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ("done", "failed")


class Jobs:
    """The jobs of a dashboard.

    ``folder`` is where theirs are; a temporary one if it is ``None``, gone when ``close`` is
    called. At most ``at_once`` processes run, each for at most ``seconds``; ``most_waiting`` jobs
    wait; of the files the latest ``most_kept`` are kept, if they are not more than ``most_bytes``.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        at_once: int = 2,
        most_waiting: int = 8,
        seconds: float = 1800.0,
        most_kept: int = 20,
        most_bytes: int = 2 * 2**30,
    ) -> None:
        self._temporary: TemporaryDirectory[str] | None = None
        self._folder = folder and folder.absolute()
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadValue(f"cannot export to {str(folder)!r}: {error.strerror}") from None
        self.most_waiting, self.seconds = most_waiting, seconds
        self.most_kept, self.most_bytes = most_kept, most_bytes
        self._jobs: dict[str, Job] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="job")

    @property
    def folder(self) -> Path:
        """Where the jobs' folders are."""
        if self._folder is None:
            self._temporary = TemporaryDirectory(prefix="foveate-exports-")
            self._folder = Path(self._temporary.name)
        return self._folder

    def ask(self, key: Hashable, module: str, request: Mapping[str, Any]) -> Job:
        """The job of ``module`` for ``request``, begun unless there is one of this ``key``; 429 if
        too many wait.
        """
        with self._lock:
            for job in self._jobs.values():
                there = job.file is None or job.file.exists()
                if job.key == key and job.state != "failed" and there:
                    return job
            waiting = sum(job.state == "waiting" for job in self._jobs.values())
            if waiting >= self.most_waiting:
                message = f"{waiting} exports wait already; try again in a minute"
                raise HTTPException(429, message, {"Retry-After": "60"})
            job = Job(secrets.token_urlsafe(16), key)
            self._jobs[job.id] = job
            folder = self.folder / f"{PREFIX}{job.id}"
            self._threads.submit(self._run, job, module, dict(request), folder)
        return job

    def find(self, id: str) -> Job:
        """The job of this id; 404 if there is none, or none any more."""
        with self._lock:
            if id not in self._jobs:
                raise HTTPException(404, "there is no such job, or none any more")
            return self._jobs[id]

    def close(self) -> None:
        """End the processes, and remove what is temporary."""
        with self._lock:
            self._closed = True
            for process in self._processes.values():
                _kill(process)
        self._threads.shutdown(cancel_futures=True)
        if self._temporary is not None:
            self._temporary.cleanup()

    def _run(self, job: Job, module: str, request: dict[str, Any], folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700)
            self._work(job, module, request, folder)
        except Exception:
            LOG.exception("job %s of %s", job.id, module)
            job.message, job.state = "this is a fault of ours; the log says more", "failed"
        finally:
            if job.state == "failed":
                shutil.rmtree(folder, ignore_errors=True)
            self._forget()

    def _work(self, job: Job, module: str, request: dict[str, Any], folder: Path) -> None:
        with TemporaryFile() as errors:
            with self._lock:
                if self._closed:
                    return
                process = self._processes[job.id] = subprocess.Popen(
                    command(module),
                    cwd=folder,
                    env=environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,  # with all that it starts it can be ended
                )
                job.state = "running"
            timer = Timer(self.seconds, _kill, [process])
            timer.start()
            try:
                said = self._listen(job, process, request)
            finally:
                timed_out = not timer.is_alive()
                timer.cancel()
                with self._lock:
                    del self._processes[job.id]
            made = said.get("done")
            if isinstance(made, dict):
                self._keep(job, folder / Path(made["file"]).name, made["message"])
                return
            why = said.get("error")
            if why is None and timed_out:
                why = f"it took longer than {self.seconds:g} s"
            elif why is None:
                why = f"its process ended with {process.returncode}; the log says more"
                LOG.warning("a job of %s: %s", module, _end_of(errors))
            job.message, job.state = why, "failed"

    def _listen(
        self, job: Job, process: "subprocess.Popen[bytes]", request: dict[str, Any]
    ) -> dict[str, Any]:
        """The last that the process says."""
        assert process.stdin is not None
        assert process.stdout is not None
        said: dict[str, Any] = {}
        with process:
            with suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(json.dumps(request).encode())
            for line in process.stdout:
                said = json.loads(line)
                job.stage = said.get("stage", job.stage)
                job.progress = said.get("progress", job.progress)
        return said

    def _keep(self, job: Job, file: Path, message: str) -> None:
        for other in file.parent.iterdir():  # what it was made from
            if other.name != file.name:
                shutil.rmtree(other) if other.is_dir() else other.unlink()
        with file.open("rb") as content:
            job.sha256 = file_digest(content, "sha256").hexdigest()
        job.file, job.bytes = file, file.stat().st_size
        job.message, job.stage, job.progress, job.state = message, None, 1.0, "done"

    def _forget(self) -> None:
        """Remove the oldest files, of earlier dashboards too, and jobs of which none is left."""
        with self._lock:
            at_work = {f"{PREFIX}{id}" for id in self._processes}
            there = [one for one in self.folder.iterdir() if OWN.fullmatch(one.name)]
            folders = [one for one in there if one.name not in at_work and not one.is_symlink()]
            size, latest_first = 0, sorted(folders, key=_made, reverse=True)
            for number, folder in enumerate(latest_first):
                with suppress(OSError):  # another dashboard was quicker, or it is no folder
                    size += sum(path.stat().st_size for path in folder.iterdir())
                if number >= self.most_kept or (size > self.most_bytes and number):
                    shutil.rmtree(folder, ignore_errors=True)
            ended = [job for job in self._jobs.values() if job.ended]
            gone = [job for job in ended if job.file is not None and not job.file.exists()]
            failed = [job for job in ended if job.file is None]
            for job in [*gone, *failed[: -self.most_kept]]:
                del self._jobs[job.id]


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End it, and all that it started."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _made(folder: Path) -> float:
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return 0.0


def _end_of(errors: IO[bytes], most: int = 2000) -> str:
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - most))
    return errors.read().decode("utf-8", "replace").strip()
