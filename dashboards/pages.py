"""A page is a dataclass and a template: the fields are all that the template may use.

Each page stands in the file of its views; here are those that belong to none.
"""

from dataclasses import dataclass, field
from typing import ClassVar

__all__ = ["ErrorPage", "Frame", "LoginPage"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What surrounds every page of a study: the bar with the pages and the studies."""

    page: str = field(metadata={"help": "which page it is: front, trials, placement, ..."})
    id: int = field(metadata={"help": "of the study, in addresses"})
    name: str = field(metadata={"help": "of the study, as the user called it"})
    others: list[tuple[int, str]] = field(metadata={"help": "all studies, the latest first"})
    alive: bool = field(metadata={"help": "whether a driver gave a sign of life lately"})
    cursor: int = field(metadata={"help": "Study.seq: number of the last change"})


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginPage:
    """``/login``: asks for the token, or offers to forget it."""

    TEMPLATE: ClassVar[str] = "login.html"

    to: str = field(metadata={"help": "path to go to afterwards"})
    mistake: str | None = field(metadata={"help": "what was wrong with the last try"})
    known: bool = field(metadata={"help": "whether this browser has shown it already"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorPage:
    """Any page that cannot be shown."""

    TEMPLATE: ClassVar[str] = "error.html"

    status: int = field(metadata={"help": "of HTTP"})
    message: str = field(metadata={"help": "one sentence: what came, and what there is"})
