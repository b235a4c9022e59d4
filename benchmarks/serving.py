"""A web server in a process of its own, on one port over all its lives."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

__all__ = ["Served", "optuna_dashboard", "ours"]

TICK = os.sysconf("SC_CLK_TCK")


def ours(storage: str, **options: Any) -> "Served":
    """The dashboard of ``storage``; ``options`` are those of ``serve``."""
    code = "import sys; from foveate.dashboards.app import serve; serve(%r, port=%d, **%r)"
    port = free_port()
    return Served([sys.executable, "-c", code % (storage, port, options)], port, ready="/healthz")


def optuna_dashboard(storage: str) -> "Served":
    """Optuna's dashboard of ``storage``."""
    port = free_port()
    program = Path(sys.executable).with_name("optuna-dashboard")
    command = [str(program), storage, "--host", "127.0.0.1", "--port", str(port)]
    return Served(command, port, ready="/dashboard/")


class Served:
    """``command`` once it answers at ``ready``; with ``with``, until the block ends."""

    def __init__(self, command: Sequence[str], port: int, *, ready: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command, self._ready = command, ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or begin again."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        ends = monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}")
            if monotonic() > ends:
                self.kill()
                raise TimeoutError("the server does not answer within a minute")
            sleep(0.02)

    def kill(self) -> None:
        """End at once, whoever is connected."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def megabytes(self) -> float:
        """Of memory that it holds now."""
        pages = int(self._proc("statm").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_seconds(self) -> float:
        """Of all its threads, since it began."""
        after_name = self._proc("stat").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / TICK

    def _proc(self, name: str) -> str:
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/{name}").read_text()

    def _answers(self) -> bool:
        try:
            with urlopen(self.url + self._ready, timeout=60):
                return True
        except (URLError, ConnectionError):
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
