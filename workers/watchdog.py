"""A process that is stuck ends itself, and leaves word of where it was."""

import faulthandler
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["left_word", "watched"]


@contextmanager
def watched(file: Path, seconds: float | None) -> Iterator[None]:
    """End the process if what is inside takes longer than ``seconds``; ``None``: it may.

    The watch is a thread of C, so it ends also what holds the interpreter's lock for ever. The
    calling thread's place stays in ``file``, for ``left_word`` in the next process.
    """
    if seconds is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as word:
        word.write(f"{threading.get_ident():#018x}\n")
        word.flush()
        faulthandler.dump_traceback_later(seconds, exit=True, file=word)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            file.unlink(missing_ok=True)


def left_word(file: Path) -> str | None:
    """Where the process before was stuck, as ``FILE:LINE FUNCTION``; ``None`` if it was not."""
    try:
        thread, _, dump = file.read_text(encoding="utf-8", errors="replace").partition("\n")
    except OSError:
        return None
    if "Timeout" not in dump:
        return None
    _, _, mine = dump.partition(f"Thread {thread}")
    place = re.search(r'File "(.*)", line (\d+) in (.*)', mine or dump)
    return f"{place[1]}:{place[2]} {place[3]}" if place else "an unknown place"
