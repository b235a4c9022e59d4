"""Why a request is not answered."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["Objection"]


class Objection(NamedTuple):
    """One sentence, with the status and the headers that go with it."""

    status: int
    message: str
    headers: Mapping[str, str] = MappingProxyType({})
