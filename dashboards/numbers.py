"""How numbers are written: accuracy in percent, costs to four significant digits, signed deltas."""

from datetime import datetime
from math import floor, log10

__all__ = [
    "ago",
    "bytes_",
    "cost",
    "delta",
    "duration",
    "gflops",
    "parameters",
    "percent",
    "signed",
    "word",
]

NONE = "–"  # what stands where there is no number
SPACE = "\N{NO-BREAK SPACE}"  # between a number and its unit


def percent(share: float | None) -> str:
    """A share of 0 to 1 in percent: ``78.46 %``."""
    return NONE if share is None else f"{100 * share:.2f}{SPACE}%"


def delta(share: float | None) -> str:
    """A difference of two shares in points of percent: ``+7.16``."""
    return NONE if share is None else _minus(f"{_no_minus_zero(100 * share, 2):+.2f}")


def gflops(value: float | None) -> str:
    """Four significant digits, never an exponent: ``2.249``."""
    return NONE if value is None else significant(value, 4)


def signed(value: float | None, unit: str) -> str:
    """Three significant digits with their sign and unit: ``+12.3 M``, ``+0.0412 %``."""
    if value is None:
        return NONE
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else "±"
    return f"{sign}{significant(abs(value), 3)}{SPACE}{unit}"


def parameters(count: int | None) -> str:
    """A number of parameters: ``13.74 M``, ``272.5 k``, ``512``."""
    if count is None:
        return NONE
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{significant(count / size, 4)}{SPACE}{unit}"
    return str(count)


def bytes_(count: float | None) -> str:
    """A size: ``1.25 MB``, ``512 B``."""
    if count is None:
        return NONE
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{significant(count / size, 3)}{SPACE}{unit}"
    return f"{count:.0f}{SPACE}B"


def cost(value: float | None, of: str) -> str:
    """A cost by its name in ``objectives.COSTS``, with its unit unless that is GFLOPs."""
    if value is None or value != value:
        return NONE
    if of == "parameters":
        return parameters(round(value))
    if of == "memory":
        return bytes_(value)
    return f"{significant(value, 3)}{SPACE}ms" if of == "latency" else gflops(value)


def duration(seconds: float) -> str:
    """A span of time in one unit: ``41 s``, ``3 min``, ``2.5 h``, ``4 d``."""
    if seconds < 100:
        return f"{seconds:.{int(0 < seconds < 10)}f}{SPACE}s"
    if seconds < 5400:
        return f"{seconds / 60:.0f}{SPACE}min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f}{SPACE}h"
    return f"{seconds / 86400:.0f}{SPACE}d"


def ago(then: datetime, now: datetime) -> str:
    """How long ``then`` is past: ``3 min ago``."""
    seconds = max(0, int((now - then).total_seconds()))
    if seconds < 2:
        return "just now"
    return f"{seconds}{SPACE}s ago" if seconds < 100 else f"{duration(seconds)} ago"


def word(count: int, one: str, many: str | None = None) -> str:
    """``1 trial``, ``10,000 trials``."""
    return f"{count:,}{SPACE}{one if count == 1 else many or one + 's'}"


def significant(value: float, digits: int) -> str:
    """``value`` to so many significant digits, trailing zeros kept, whole thousands unrounded."""
    if value == 0:
        return "0"
    decimals = digits - 1 - floor(log10(abs(value)))
    if round(abs(value), decimals) >= 10 ** (digits - decimals):  # 9.9996 becomes 10.00
        decimals -= 1
    return f"{value:,.{max(0, decimals)}f}"


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _no_minus_zero(value: float, decimals: int) -> float:
    return round(value, decimals) + 0.0
