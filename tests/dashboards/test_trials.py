"""The table of trials: as a page, as JSON and as files."""

import csv
import inspect
import io
import json
import shutil
import subprocess
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards import compare, files, listing, trial, trials
from foveate.dashboards.listing import ALWAYS, FIELDS, Listing
from foveate.dashboards.repeats import repeats
from foveate.dashboards.site import Site
from foveate.dashboards.trials import near
from foveate.errors import UserError
from foveate.search import store
from foveate.search.records import STATES, Study
from foveate.search.spreadsheets import FORMULA

from .conftest import add_trial, browser

API = "/api/v1/studies/1/trials"
EVIL = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def shared(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A browser on a study that nobody changes."""
    path = shutil.copy(filled, tmp_path_factory.mktemp("shared"))
    return browser(f"sqlite:///{path}")


def rows(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{API}?{query}").json()["rows"]
    return found


def numbers(client: TestClient, query: str = "") -> list[int]:
    return [row["n"] for row in rows(client, query)]


# ------------------------------------------------------------------------------------ as JSON


def test_a_row_says_what_the_database_holds(shared: TestClient) -> None:
    answer = shared.get(f"{API}?sort=n").json()
    assert (answer["total"], answer["page"], answer["per"]) == (10, 1, 100)
    row = answer["rows"][4]
    assert list(row) == list(FIELDS)
    expected = {"n": 4, "state": "complete", "acc": 91.23, "gain": 11.23, "seeds": 1, "front": True}
    expected |= {"acc_sd": None, "params": 310_000, "secs": 3.0, "epochs": 2, "origin": "sampler"}
    expected |= {"worker": "node-1/worker-0", "device": None, "latency_ms": None, "memory": None}
    assert {name: row[name] for name in expected} == expected
    assert row["gflops"] == pytest.approx(0.05)
    assert row["extra"] == pytest.approx(25)
    assert row["code"] == "· | · · | aw · | · se > steam"
    assert json.loads(row["placement"])["modules"][0][:2] == ["layer2.0", "aw"]
    assert answer["rows"][0]["gain"] is None  # the bare backbone against itself
    assert answer["rows"][6]["gain"] is None  # stopped: its accuracy is of another epoch


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("sort=n", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("sort=-acc&state=complete", [4, 3, 5, 1, 0, 2]),
        ("sort=acc&state=complete", [2, 0, 1, 5, 3, 4]),
        ("sort=-acc&per=3&page=2", [1, 0, 2]),
        ("sort=-acc&per=3&page=4", [7]),  # those without an accuracy come last
        ("page=7", []),
        ("state=failed,stopped", [7, 6]),
        ("state=failed&state=stopped", [7, 6]),
        ("module=se", [4, 1]),
        ("module=se@s3b2&min_acc=85", [4]),
        ("module=@layer3.1", [4, 3, 1]),
        ("max_params=272500&state=complete", [5, 2, 0]),
        ("sort=origin&state=complete&per=2", [0, 1]),  # bare, everywhere:se, sampler
    ],
)
def test_what_is_asked_for_is_listed_in_that_order(
    shared: TestClient, query: str, expected: list[int]
) -> None:
    assert numbers(shared, query) == expected


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("sort=accuracy", "no column 'accuracy'"),
        ("sort=-code", "no column 'code'"),
        ("cols=acc,x", "no column 'x'"),
        ("page=0", "page must be a whole number from 1 to 1,000,000, got '0'"),
        ("per=501", "per must be a whole number from 1 to 500, got '501'"),
        ("per=²", "per must be a whole number"),
        ("page=" + "9" * 5000, "page must be a whole number"),
        ("state=done", "no state 'done'; there are:"),
        ("min_acc=much", "min_acc must be a number, got 'much'"),
        ("module=ecaa", "no module 'ecaa'; did you mean 'eca'?"),
    ],
)
@pytest.mark.parametrize("path", [API, f"{API}.csv", "/s/1/trials", "/s/1/_trials"])
def test_what_cannot_be_listed_is_said_in_one_sentence(
    shared: TestClient, path: str, query: str, sentence: str
) -> None:
    answer = shared.get(f"{path}?{query}")
    assert answer.status_code == 400
    if path == API:
        assert answer.json()["error"]["message"].startswith(sentence)


def test_an_address_is_read_as_it_is_written(shared: TestClient) -> None:
    query = {"state": "complete", "module": "se", "min_acc": "70", "sort": "-acc", "page": "3"}
    query |= {"per": "25", "cols": "acc,worker"}
    listing = Listing.of(query)
    assert listing.query == query and Listing.of(listing.query) == listing
    assert Listing.of({}).address == ""


texts = st.sampled_from(
    ["", "=1+1", "+x", "-5", "@a", "\tx", "\rx", "plain", "-", EVIL, "a,b", 'say "x"', "x\ny", "é"]
)
listings = st.fixed_dictionaries(
    {},
    optional={
        "state": st.lists(st.sampled_from(STATES), max_size=3).map(",".join),
        "module": st.sampled_from(["se", "eca", "se@s3b2", "@s3b2", "aw@layer2.0", "@layer3"]),
        "min_acc": st.floats(0, 100).map(str),
        "max_gflops": st.floats(0.03, 0.06).map(str),
        "max_params": st.integers(270_000, 315_000).map(str),
        "sort": st.sampled_from([f"{sign}{name}" for sign in ("", "-") for name in FIELDS][::2]),
        "cols": st.lists(st.sampled_from(list(FIELDS)), min_size=1, unique=True).map(",".join),
    },
)


@given(query=listings)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_files_hold_what_the_api_lists(shared: TestClient, query: dict[str, str]) -> None:
    if query.get("sort", "").removeprefix("-") in ("code", "placement"):
        del query["sort"]
    listed = shared.get(API, params=query).json()
    sheet = shared.get(f"{API}.csv", params=query)
    table = list(csv.reader(io.StringIO(sheet.text)))
    assert len(table) == listed["total"] + 1
    for name, *cells in zip(*table, strict=True):
        assert cells == [told(row[name]) for row in listed["rows"]], name
    assert shared.get(f"{API}.json", params=query).json()["rows"] == listed["rows"]
    wanted = [one.id for one in Listing.of(query).fields]
    assert listed["rows"] == [] or (set(wanted) <= set(listed["rows"][0]))


def told(value: Any) -> str:
    """A value as CSV has it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_all_filters_together_are_those_of_a_plain_loop(shared: TestClient) -> None:
    every = rows(shared)
    expected = [
        row["n"]
        for row in every
        if row["state"] in ("complete", "stopped")
        and (row["acc"] or 0) >= 60
        and row["gflops"] <= 0.0408
        and row["params"] <= 280_000
    ]
    query = "state=complete,stopped&min_acc=60&max_gflops=0.0408&max_params=280000"
    assert numbers(shared, query) == expected != []


# ------------------------------------------------------------------------------------ as files


@pytest.mark.parametrize("kind", ["csv", "json", "tex"])
def test_a_file_is_to_be_kept(shared: TestClient, kind: str) -> None:
    answer = shared.get(f"{API}.{kind}")
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="study-1-trials.{kind}"'
    )
    assert answer.headers["content-type"] == files.TYPES[kind]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_there_is_no_other_kind_of_file(shared: TestClient) -> None:
    answer = shared.get(f"{API}.xlsx")
    assert answer.status_code == 404
    assert "trials come as .csv, .json and .tex" in answer.text


@given(cells=st.lists(st.one_of(texts, st.integers(), st.none(), st.booleans()), min_size=2))
def test_no_cell_of_a_csv_is_a_formula(cells: list[Any]) -> None:
    (line,) = list(csv.reader(io.StringIO("".join(files.as_csv(["a"], [[cells]])), newline="")))[1:]
    for cell, value in zip(line, cells, strict=True):
        if isinstance(value, str):
            assert not cell.startswith(FORMULA)
            assert cell.removeprefix("'") == value or cell == value
        elif isinstance(value, int) and not isinstance(value, bool):
            assert int(cell) == value  # a negative number stays one


@given(rows=st.lists(st.lists(texts, min_size=3, max_size=3), max_size=5))
def test_a_tex_table_has_as_many_cells_as_columns(rows: list[list[str]]) -> None:
    text = "".join(files.as_tex(["a & b", "50 %", "#"], [False, True, True], [rows]))
    assert text.startswith("% \\usepackage{booktabs}\n\\begin{tabular}{lrr}\n\\toprule\n")
    body = text.split("\\midrule\n")[1].removesuffix("\\bottomrule\n\\end{tabular}\n")
    lines = body.splitlines()
    assert len(lines) == len(rows)
    for line in lines:
        assert line.endswith(r" \\")
        assert line.replace(r"\&", "").count("&") == 2


@pytest.mark.parametrize("special", list('\\{}&%$#_~^<>|"'))
def test_every_special_character_of_tex_is_written_out(special: str) -> None:
    (line,) = list(files.as_tex(["a"], [False], [[[special]]]))[2:3]
    written = line.removesuffix(" \\\\\n")
    assert written != special and written.startswith("\\")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
def test_latex_reads_the_table(shared: TestClient, tmp_path: Path) -> None:
    table = shared.get(f"{API}.tex").text
    document = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,textcomp}"
    (tmp_path / "t.tex").write_text(f"{document}\\begin{{document}}{table}\\end{{document}}")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path
    )
    assert done.returncode == 0


def test_a_long_file_comes_in_pieces_and_whole(
    storage: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveate.dashboards.trials.PIECE", 3)
    client = browser(storage)
    for kind in ("csv", "tex"):
        assert client.get(f"{API}.{kind}").text.count("\n") >= 11
    assert [row["n"] for row in client.get(f"{API}.json").json()["rows"]] == list(range(9, -1, -1))


def test_an_empty_list_is_a_file_too(shared: TestClient) -> None:
    assert shared.get(f"{API}.json?state=infeasible").json() == {"rows": []}
    assert shared.get(f"{API}.csv?state=infeasible&cols=acc").text == "n,state,acc\r\n"
    assert "\\midrule\n\\bottomrule" in shared.get(f"{API}.tex?state=infeasible").text


# ------------------------------------------------------------------------------------ as a page


def test_the_page_shows_what_the_api_lists(shared: TestClient) -> None:
    page = shared.get("/s/1/trials?sort=-acc&state=complete&cols=acc,code,worker").text
    places = [page.index(f'data-trial="{number}"') for number in (4, 3, 5, 1, 0, 2)]
    assert places == sorted(places)
    assert 'data-trial="6"' not in page
    assert page.count('data-module="') >= 9
    assert 'aria-sort="descending"' in page
    assert "of-gflops" not in page
    assert f'href="{API}.csv?state=complete&amp;sort=-acc&amp;cols=acc%2Ccode%2Cworker"' in page


def test_chips_count_what_the_other_filters_let_through(shared: TestClient) -> None:
    page = shared.get("/s/1/_trials?module=se&state=complete").text
    assert '<span class="dot complete"></span>complete <b>2</b>' in page
    assert '<span class="dot failed"></span>failed <b>0</b>' in page
    assert 'href="?module=se" aria-current="true"' in page  # one click, and it is chosen no longer
    assert 'href="?state=complete%2Cfailed&amp;module=se"' in page


def test_a_jump_turns_to_the_page_of_the_trial(shared: TestClient) -> None:
    page = shared.get("/s/1/_trials?at=3&per=4").text
    assert 'data-at="3"' in page and 'id="t3"' in page and 'id="t9"' not in page
    missed = shared.get("/s/1/_trials?at=3&state=failed").text
    assert "Trial 3 is not in this list: the filters leave it out." in missed
    assert "There is no trial 99; the last is 9." in shared.get("/s/1/_trials?at=99").text
    assert shared.get("/s/1/_trials?at=x").status_code == 400


def test_what_is_read_stays_where_it_is(client: TestClient, session: Session) -> None:
    before = client.get("/s/1/_trials?per=4").text
    assert 'id="refresh"' not in before
    study = store.find_study(session, "digits")
    for number in (10, 11):
        add_trial(session, study, number, extra=number, curve=(0.5,), state="running")
    session.commit()
    kept = client.get("/s/1/_trials?per=4&keep=9,8,7,6&newest=9").text
    assert "2\N{NO-BREAK SPACE}new trials: show" in kept
    assert [f'id="t{n}"' in kept for n in (11, 10, 9, 8, 7, 6, 5)] == [False] * 2 + [True] * 4 + [
        False
    ]
    assert "<b>3</b>" in kept  # running
    assert 'id="t11"' in client.get("/s/1/_trials?per=4").text
    moved = client.get("/s/1/_trials?sort=-acc&per=4&keep=4,3,5,0&newest=11").text
    assert "The order has changed: show" in moved


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("state=infeasible", "Nothing like that"),
        ("page=9", 'The last page is <a href="?">1</a>'),
    ],
)
def test_an_empty_list_says_why(shared: TestClient, query: str, said: str) -> None:
    assert said in shared.get(f"/s/1/_trials?{query}").text


def test_a_study_without_trials_has_a_page(storage: str, session: Session) -> None:
    from .conftest import add_study

    add_study(session, "empty")
    session.commit()
    client = browser(storage)
    assert "No trial yet" in client.get("/s/2/trials").text
    assert client.get("/api/v1/studies/2/trials").json()["rows"] == []
    assert client.get("/api/v1/studies/2/trials.csv").text.count("\r\n") == 1


def test_an_answer_is_made_once_for_a_cursor(client: TestClient, session: Session) -> None:
    for path in ("/s/1/trials?sort=-acc", f"{API}?sort=-acc"):
        tag = client.get(path).headers["etag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    study = store.find_study(session, "digits")
    add_trial(session, study, 10, curve=(0.5,), state="running")
    session.commit()
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_hostile_names_stay_text(storage: str, session: Session) -> None:
    study = store.find_study(session, "digits")
    study.name = EVIL
    trial = store.find_trial(session, study, 4)
    trial.worker, trial.device, trial.origin = EVIL, f"=cmd|{EVIL}", EVIL
    store._change(trial)
    session.commit()
    client = browser(storage)
    page = client.get("/s/1/trials?cols=worker,device,origin,placement").text
    assert "<img src=x" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    table = list(csv.DictReader(io.StringIO(client.get(f"{API}.csv").text)))
    (row,) = [row for row in table if row["n"] == "4"]
    assert row["worker"] == EVIL and row["device"] == f"'=cmd|{EVIL}"
    assert r"\textless{}img src=x" in client.get(f"{API}.tex").text


@pytest.mark.parametrize(
    ("page", "last", "expected"),
    [
        (1, 1, [1]),
        (1, 3, [1, 2, 3]),
        (1, 9, [1, 2, 3, None, 9]),
        (5, 9, [1, None, 3, 4, 5, 6, 7, None, 9]),
        (4, 7, [1, 2, 3, 4, 5, 6, 7]),
        (99, 9, [1, None, 9]),
    ],
)
def test_pages_to_go_to(page: int, last: int, expected: list[int | None]) -> None:
    assert near(page, last) == expected


# ------------------------------------------------------------------------------------ repeats


def test_repeats_are_those_of_a_plain_loop(session: Session) -> None:
    study = store.find_study(session, "digits")
    for number, share in enumerate((0.5, 0.6, 0.65), 10):
        trial = add_trial(session, study, number, extra=0.5, curve=(share,))
        trial.key, trial.seed = "same", number
    add_trial(session, study, 13, extra=0.5, curve=(0.1,), state="stopped").key = "same"
    session.commit()
    snapshot = snapshot_of(session, study)
    found = repeats(snapshot)
    here = snapshot.row(11), snapshot.row(13), snapshot.row(4)
    shares = [0.5, 0.6, 0.65]
    assert found.seeds[list(here)].tolist() == [3, 0, 1]
    assert found.mean[here[0]] == pytest.approx(np.mean(shares))
    assert found.sd[here[0]] == pytest.approx(np.std(shares, ddof=1))
    assert np.isnan(found.sd[here[1]]) and np.isnan(found.sd[here[2]])


def snapshot_of(session: Session, study: Study) -> Any:
    engine = session.get_bind()
    assert isinstance(engine, Engine)
    found = Site(engine, None).look(session, study.id)
    assert found is not None
    return found.snapshot


@pytest.mark.parametrize("module", [compare, listing, trial, trials])
def test_every_field_of_a_page_says_what_it_is(module: ModuleType) -> None:
    for _, page in inspect.getmembers(module, inspect.isclass):
        if is_dataclass(page) and page.__module__ == module.__name__ and page is not Listing:
            for field in fields(page):
                assert len(field.metadata["help"]) > 5, field.name


def test_the_fields_say_what_they_are() -> None:
    for name, one in FIELDS.items():
        assert one.id == name and one.label and (one.help or name in ALWAYS)


def test_every_mistake_of_an_address_is_the_users() -> None:
    for query in ({"sort": "x"}, {"per": "0"}, {"cols": "-"}, {"state": "x"}):
        with pytest.raises(UserError):
            Listing.of(query)
