"""Tables as files: CSV, JSON and LaTeX, a piece at a time."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..search.spreadsheets import for_a_spreadsheet

__all__ = ["TYPES", "as_csv", "as_json", "as_tex"]

TYPES = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "tex": "application/x-tex; charset=utf-8",
}
Rows = Iterable[Sequence[Sequence[Any]]]  # pieces of some rows each
TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "·": r"$\cdot$",
        "−": "$-$",
        "±": r"$\pm$",
        "⁹": "$^9$",
    }
)


def as_csv(names: Sequence[str], pieces: Rows) -> Iterator[str]:
    """RFC 4180 lines; a text that a spreadsheet would take for a formula has a ``'`` before it."""
    yield _lines([names])
    for piece in pieces:
        yield _lines([[_cell(value) for value in row] for row in piece])


def as_json(names: Sequence[str], pieces: Rows) -> Iterator[str]:
    """``{"rows": [{name: value, ...}, ...]}``, a row a line."""
    before = '{"rows":[\n'
    for piece in pieces:
        found = (dict(zip(names, row, strict=True)) for row in piece)
        lines = [json.dumps(row, separators=(",", ":")) for row in found]
        if lines:
            yield before + ",\n".join(lines)
            before = ",\n"
    yield before.removesuffix(",\n") + "\n]}\n"


def as_tex(labels: Sequence[str], numbers: Sequence[bool], pieces: Rows) -> Iterator[str]:
    """A ``tabular`` of the package booktabs; ``numbers`` says which columns stand to the right."""
    sides = "".join("r" if is_number else "l" for is_number in numbers)
    yield f"% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{sides}}}\n\\toprule\n"
    yield _tex_row(labels) + "\\midrule\n"
    for piece in pieces:
        yield "".join(_tex_row(["" if v is None else str(v) for v in row]) for row in piece)
    yield "\\bottomrule\n\\end{tabular}\n"


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return for_a_spreadsheet(value)


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(" ".join(cell.split()).translate(TEX) for cell in cells) + r" \\" + "\n"
