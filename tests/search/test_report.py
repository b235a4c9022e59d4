import csv
import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from sqlalchemy.orm import Session

from foveate.search import report
from foveate.search.records import Study, Trial
from foveate.search.report import Row
from foveate.spaces import Placement

Add = Callable[..., Trial]
CHOSEN = {"layer1.0.bn2": "se", "layer3": "steam"}


@pytest.fixture
def some(add: Add) -> None:
    """0 and 3 are on the front; 1 and 2 are baselines beside it."""
    add(0.2, 0.60, origin="bare")
    add(0.2, 0.55, extra=0.10, origin="everywhere:se", chosen=CHOSEN)
    add(0.2, 0.58, extra=0.05, origin="everywhere:eca", chosen={"layer1.0.bn2": "eca"})
    add(0.2, 0.80, extra=0.25, chosen=CHOSEN)
    add(0.1, extra=0.4, state="stopped")
    add(extra=0.4, state="failed")
    add(0.1, extra=0.3, state="running")
    add(extra=0.2, state="waiting")


@pytest.fixture
def rows(some: None, session: Session, study: Study) -> tuple[list[Row], list[Row]]:
    return report.front_and_baselines(session, study)


Rows = tuple[list[Row], list[Row]]


def test_the_front_is_cheapest_first_and_the_baselines_best_first(rows: Rows) -> None:
    front, baselines = rows
    assert [row.trial for row in front] == [0, 3]
    assert [row.trial for row in baselines] == [0, 2, 1]
    assert [row.on_front for row in baselines] == [True, False, False]


def test_a_row_says_what_a_trial_costs_beside_the_bare_backbone(rows: Rows) -> None:
    bare, best = rows[0]
    assert (bare.extra_mflops, bare.extra_percent, bare.drawing) == (0.0, 0.0, "bare")
    assert best.accuracy == 0.80 and best.gflops == pytest.approx(0.05)
    assert best.extra_mflops == pytest.approx(10.0)  # 0.25 * 0.04 GFLOPs
    assert best.extra_percent == pytest.approx(25.0)
    assert best.parameters == 78_003 and best.origin == "sampler"
    assert best.drawing == "· | se | · | · > steam"
    assert {m.site: m.name for m in Placement.parse(best.placement).modules} == CHOSEN


def test_csv_parses_back_to_the_rows(rows: Rows) -> None:
    front, _ = rows
    text = report.as_csv(front)
    found = list(csv.DictReader(StringIO(text)))
    assert list(found[0]) == list(Row.__dataclass_fields__)
    for parsed, row in zip(found, front, strict=True):
        assert int(parsed["trial"]) == row.trial
        assert float(parsed["accuracy"]) == row.accuracy  # all digits
        assert float(parsed["gflops"]) == row.gflops
        assert parsed["drawing"] == row.drawing and parsed["placement"] == row.placement
        assert parsed["on_front"] == "True"
    hostile = replace(front[0], drawing="=HYPERLINK(1)", extra_percent=-2.0)
    (cells,) = csv.DictReader(StringIO(report.as_csv([hostile])))
    assert (cells["drawing"], cells["extra_percent"]) == ("'=HYPERLINK(1)", "-2.0")
    assert report.as_csv([]).splitlines() == [",".join(Row.__dataclass_fields__)]


def test_json_parses_back_with_placements_as_objects(rows: Rows) -> None:
    front, _ = rows
    found = json.loads(report.as_json(front))
    assert [one["trial"] for one in found] == [0, 3]
    assert found[1]["accuracy"] == 0.80 and found[1]["on_front"] is True
    placement = found[1]["placement"]
    assert placement["modules"] == [["layer1.0.bn2", "se", {}], ["layer3", "steam", {}]]
    assert Placement.parse(json.dumps(placement)).spelling == front[1].placement
    assert json.loads(report.as_json([])) == []


def shown(rows: list[Row], title: str = "The front", width: int = 200) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(report.as_table(rows, title))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_the_table_has_a_line_for_each_row(rows: Rows) -> None:
    title, heading, *lines = shown(rows[1])
    assert title.strip() == "The front"
    assert heading.split()[:2] == ["trial", "accuracy"]
    words = [line.split() for line in lines]
    assert words[0] == ["0*", "60.00", "0.04", "+0", "+0.00", "78,000", "bare"]
    assert words[1] == ["2", "58.00", "0.042", "+2", "+5.00", "78,002", "everywhere", "eca"]
    assert words[2] == ["1", "55.00", "0.044", "+4", "+10.00", "78,001", "everywhere", "se"]


def test_latencies_are_shown_where_they_were_measured(rows: Rows) -> None:
    front, _ = rows
    assert "ms" not in [column.header for column in report.as_table(front, "").columns]
    timed = [replace(front[0], latency=1.23456), *front[1:]]
    (column,) = [one for one in report.as_table(timed, "").columns if one.header == "ms"]
    assert list(column.cells) == ["1.23", "nan"]


def test_a_narrow_table_folds_and_loses_nothing(rows: Rows) -> None:
    text = "".join("".join(shown(rows[0], width=72)).split())
    assert "steam" in text and "80.00" in text and "78,003" in text


@pytest.mark.parametrize("with_trials", [True, False])
def test_the_picture_is_a_png_of_a_readable_size(
    with_trials: bool,
    session: Session,
    study: Study,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    if with_trials:
        request.getfixturevalue("some")
    path = tmp_path / "deep" / "front.png"
    assert report.picture(session, study, path) == path
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.size == (1200, 750)
        colours = picture.convert("RGB").getcolors(maxcolors=10**6)
    found = {colour for _, colour in colours or []}
    front, bare = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
    assert (front in found, bare in found) == (with_trials, with_trials)


def test_the_picture_of_a_study_with_stopped_trials_only_is_drawn(
    session: Session, study: Study, add: Add, tmp_path: Path
) -> None:
    add(0.1, state="stopped")
    assert report.picture(session, study, tmp_path / "front.png").stat().st_size > 10_000


def test_a_name_that_looks_like_a_formula_is_drawn_as_it_is(
    session: Session, study: Study, add: Add, tmp_path: Path
) -> None:
    """`$` begins mathematics in matplotlib's texts."""
    study.name = "$x^ and $\\frac"
    add(0.5, origin="bare")
    assert report.picture(session, study, tmp_path / "front.png").exists()
