"""Text that a spreadsheet leaves alone."""

from typing import Any

__all__ = ["FORMULA", "for_a_spreadsheet"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula begins with


def for_a_spreadsheet(cell: Any) -> Any:
    """``cell``, with an apostrophe before it if a spreadsheet would take its text for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
