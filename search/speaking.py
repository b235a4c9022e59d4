"""What a process of ours and the one that started it say to each other: JSON, a line each."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from ..errors import UserError

__all__ = ["Say", "answering"]

Say = Callable[..., None]


def answering(work: Callable[[dict[str, Any], Say], dict[str, Any]]) -> None:
    """Do ``work`` on the request that stdin holds, and say what comes of it on stdout.

    That is ``{"done": ...}``, or ``{"error": ...}`` for a mistake of the user's; ``work`` may say
    ``{"stage": ...}`` and the like before. Whatever else is printed meanwhile goes to stderr.
    """
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**words: Any) -> None:
        print(json.dumps(words), file=lines, flush=True)

    try:
        say(done=work(json.load(sys.stdin), say))
    except UserError as error:
        say(error=str(error))
        sys.exit(2)
