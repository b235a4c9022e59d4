"""The commands on studies: what they print, and one sentence for each mistake."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from foveate import place
from foveate.cli import app
from foveate.search import store
from foveate.search.records import Driver, Study
from foveate.search.spec import SearchSpec

Add = Callable[..., int]
COMMANDS = ("studies", "show", "rename", "delete", "stop", "enqueue", "note", "copy", "merge")
COMMANDS += ("data", "health", "look")


@pytest.fixture
def foveate(storage: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("FOVEATE_STORAGE", storage)

    def run(*words: str, given: str | None = None) -> Result:
        ran = CliRunner().invoke(app, words, input=given)
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        return ran

    return run


Run = Callable[..., Result]


@pytest.fixture
def some(study: Study, add: Add) -> None:
    add(0.5, 0.60, origin="bare")
    add(0.5, 0.70, "layer1.0.bn2=se", extra=0.1, weights="/runs/1/weights.safetensors")
    add(0.4, "layer2.0.bn2=se", state="stopped", reason="place 3 of 3", expected=0.55, extra=0.2)
    add("layer3.0.bn2=se", state="failed", reason="[red]no[/red] memory 🦊")
    add("layer3.0.bn2=eca", state="waiting")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_shows_an_example(command: str, foveate: Run) -> None:
    shown = foveate(command, "--help")
    assert shown.exit_code == 0 and f"Example: foveate {command}" in shown.output
    assert "--storage" in shown.output


@pytest.mark.usefixtures("some")
def test_studies_are_listed_with_how_they_stand(foveate: Run, drive: Callable[..., int]) -> None:
    def line() -> list[str]:
        return re.split(r"  +", foveate("studies").output.splitlines()[1].strip())

    figures = ["2", "1", "1", "0", "1", "0", "70.00", "2"]
    assert line()[:11] == ["tiny", "digits", "resnet8", *figures]
    assert 0 < float(line()[11]) < 1 and line()[12].endswith(" s ago") and line()[13] == "-"
    drive()
    assert line()[13] == "process 4000 on here"


@pytest.mark.usefixtures("some")
def test_a_study_is_shown_with_its_front_and_its_spec(
    foveate: Run, drive: Callable[..., int]
) -> None:
    drive()
    foveate("note", "tiny", "first\nsecond [bold]line[/bold]")
    shown = foveate("show", "tiny").output
    for wanted in (
        "images      digits: 800 train, 200 validation, 100 test, 16 pixels a side, 10 classes",
        "backbone    resnet8, bare: 0.04 GFLOPs",
        "trials      1 waiting, 2 complete, 1 stopped, 1 failed; 10 are wanted",
        "driver      process 4000 on here, begun ",
        "best        70.00 %",
        "note        first\n            second [bold]line[/bold]",
        "The front, cheapest first",
    ):
        assert wanted in shown
    document = yaml.safe_load(shown[shown.index("\nplugins:") :])
    assert SearchSpec.of(document).trials == 10


@pytest.mark.usefixtures("some")
def test_a_trial_is_shown_with_its_curve_and_why_it_ended(foveate: Run) -> None:
    foveate("note", "tiny", "--trial", "2", "a pity")
    shown = foveate("show", "tiny", "--trial", "2").output
    for wanted in (
        "trial       2 of tiny: stopped",
        "drawn       · | · | se | ·",
        "module      layer2.0.bn2: se(reduction=16)",
        "costs       0.048 GFLOPs (+20.00 %), 78,000 parameters",
        "accuracy    40.00 % after 1 epochs",
        "expected    55.00 %, had it been trained to the end",
        "stopped     place 3 of 3",
        "note        a pity",
        "    1       40.00           2     1.50",
    ):
        assert wanted in shown
    assert "failed      [red]no[/red] memory 🦊" in foveate("show", "tiny", "--trial", "3").output
    assert "weights     /runs/1/weights.saf" in foveate("show", "tiny", "--trial", "1").output


@pytest.mark.usefixtures("some")
def test_a_trial_is_drawn_into_a_file(foveate: Run, tmp_path: Path) -> None:
    out = tmp_path / "trial.svg"
    assert foveate("show", "tiny", "--trial", "2", "--svg", str(out)).exit_code == 0
    picture = ElementTree.parse(out).getroot()
    assert picture[0].text == "resnet8 with se at layer2.0.bn2"
    drawn = [g.attrib["data-module"] for g in picture.iter() if "data-module" in g.attrib]
    assert drawn == ["se"]
    wrong = foveate("show", "tiny", "--trial", "2", "--svg", str(tmp_path / "no" / "trial.svg"))
    assert wrong.exit_code == 2
    assert re.match(r"foveate: cannot write '.*trial.svg': No such file", wrong.stderr)


@pytest.mark.usefixtures("some")
def test_a_study_is_deleted_when_the_user_says_so(foveate: Run, engine: Engine) -> None:
    asked = foveate("delete", "tiny", given="n\n")
    assert asked.exit_code == 1
    assert asked.output.startswith(
        "Study 'tiny' has 5 trials, 5 epochs; its files in foveate-runs stay. Delete it? [y/N]"
    )
    assert "tiny" in foveate("studies").output
    done = foveate("delete", "tiny", "--yes", "--files")
    said = "deleted study 'tiny': 5 trials, 5 epochs\nthere were no files of it\n"
    assert (done.exit_code, done.output) == (0, said)
    with Session(engine) as session:
        assert store.studies(session) == []


def test_drivers_are_asked_to_stop(
    foveate: Run, study: Study, engine: Engine, drive: Callable[..., int]
) -> None:
    assert foveate("stop", "tiny").output == "nobody searches study 'tiny'\n"
    drive()
    said = "asked 1 driver of study 'tiny' to end, at the next sign of life in 5 s\n"
    assert foveate("stop", "tiny").output == said
    with Session(engine) as session, session.begin():
        session.execute(update(Driver).values(ended=Driver.beat))
    assert foveate("stop", "tiny", "--wait").output == "nobody searches study 'tiny'\n"


@pytest.mark.usefixtures("some")
def test_placements_are_enqueued_all_or_none(foveate: Run, engine: Engine, tmp_path: Path) -> None:
    spelled = place("resnet8", ["layer1.0.bn2=eca"], image_size=16).spelling
    (tmp_path / "mine.txt").write_text("layer2.0.bn2=eca\nlayer1.0.bn2=se\n")
    words = ["enqueue", "tiny", "--place", "layer3.*=cbam", "--placement", spelled]
    refused = foveate(*words, "--from", str(tmp_path / "mine.txt"))
    assert refused.exit_code == 2 and refused.stdout == ""
    assert refused.stderr == (
        "foveate: study 'tiny' has that placement already: it is trial 1, which is complete\n"
    )
    taken = foveate(*words)
    assert re.fullmatch(
        r"trial 5 waits: 0\.\d+ GFLOPs; it lies outside of the space\n"
        r"trial 6 waits: 0\.\d+ GFLOPs\n",
        taken.output,
    )
    with Session(engine) as session:
        there = store.trials(session, store.find_study(session, "tiny"), "waiting")
        assert [(one.number, one.origin) for one in there[1:]] == [(5, "user"), (6, "user")]


@pytest.mark.usefixtures("some")
def test_a_study_is_renamed_copied_and_merged(foveate: Run, tmp_path: Path) -> None:
    said = foveate("rename", "tiny", "small")
    assert said.output == "study 'tiny' is called 'small' now\n"
    to = f"sqlite:///{tmp_path}/other.db"
    copied = foveate("copy", "small", "--to", to, "--as", "there")
    assert copied.output == f"study 'there' is in {to}: 5 trials, 5 epochs\n"
    foveate("enqueue", "there", "--place", "layer2.0.bn2=eca", "--storage", to)
    merged = foveate("merge", "there", "small", "--from", to)
    assert merged.output == (
        "study 'there' into 'small': 1 new there, 0 fully trained now, 5 there already\n"
    )
    foveate("copy", "small", "--as", "twin")
    assert "6 there already" in foveate("merge", "twin", "small").output


@pytest.mark.usefixtures("some")
def test_all_figures_are_written(foveate: Run, tmp_path: Path) -> None:
    written = foveate("data", "tiny", "--out", str(tmp_path / "out"), "--format", "json")
    assert written.output.splitlines()[0] == str(tmp_path / "out" / "study.json")
    rows = json.loads((tmp_path / "out" / "trials.json").read_text())
    assert [row["state"] for row in rows][:2] == ["complete", "complete"]


@pytest.mark.usefixtures("some")
def test_health_says_what_to_do(foveate: Run) -> None:
    said = foveate("health", "tiny")
    assert said.exit_code == 0
    assert said.output.startswith("act  1 of 4 trials failed (25%). 1 of them: [red]no[/red] mem")
    assert "     -> mend the commonest first" in said.output
    assert "look nobody searches: 1 trial waiting, 6 of 10 to be" in said.output


MISTAKES = [
    (["show", "tini"], "no study 'tini'; did you mean 'tiny'? there are: tiny"),
    (["show", "tiny", "--trial", "7"], "study 'tiny' has no trial 7; it has trials 0 to 4"),
    (["show", "tiny", "--svg", "x.svg"], "--svg draws one trial: say which with --trial"),
    (["rename", "tiny", "a/b"], "a study's name has 1 to 100 letters, digits, spaces and any of "),
    (["rename", "tini", "small"], "no study 'tini'; did you mean 'tiny'? there are: tiny"),
    (["delete", "tini", "--yes"], "no study 'tini'; did you mean 'tiny'? there are: tiny"),
    (["stop", "tini"], "no study 'tini'; did you mean 'tiny'? there are: tiny"),
    (["enqueue", "tiny"], "say what to try: --place, --placement or --from"),
    (["enqueue", "tiny", "--place", "layer9*=se"], "no site of resnet8 called 'layer9*'; "),
    (
        ["enqueue", "tiny", "--place", "layer1.*=see"],
        "no attention module 'see'; did you mean 'se'",
    ),
    (["enqueue", "tiny", "--placement", "{"], "no placement in JSON: Expecting property name"),
    (["enqueue", "tiny", "--from", "no.txt"], "cannot read the placements in 'no.txt': No such "),
    (
        ["enqueue", "tiny", "--place", "layer1.*=se", "--backbone", "resnet14"],
        "study 'tiny' searches on resnet8, and this placement is on resnet14",
    ),
    (["note", "tiny", " "], "a note has to say something"),
    (["look", "tiny", "--trial", "9"], "study 'tiny' has no trial 9; it has trials 0 to 4"),
    (["look", "tiny", "--trial", "0"], "trial 0 is complete and has no weights: only of a fully "),
    (["note", "tiny", "--trial", "9", "x"], "study 'tiny' has no trial 9; it has trials 0 to 4"),
    (["copy", "tiny"], "say where to: --to another database, or --as another name"),
    (["copy", "tiny", "--as", "tiny"], "there is a study 'tiny' in sqlite:///"),
    (["copy", "tiny", "--to", "redis://x"], "storage must be a database URL of sqlite, "),
    (["merge", "tiny", "tiny"], "a study cannot be merged into itself"),
    (["merge", "tiny", "tini"], "no study 'tini'; did you mean 'tiny'? there are: tiny"),
    (["data", "tiny", "--out", "x", "--format", "xml"], "--format may be csv, json or parquet, go"),
    (["health", "tini"], "no study 'tini'; did you mean 'tiny'? there are: tiny"),
]


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=lambda value: " ".join(value)[:40])
def test_a_mistake_is_one_sentence_and_nothing_changes(
    words: list[str],
    sentence: str,
    foveate: Run,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = (tmp_path / "foveate.db").read_bytes(), _seq(engine)
    ran = foveate(*words)
    assert ran.exit_code == 2 and ran.stdout == ""
    assert ran.stderr.startswith(f"foveate: {sentence}") and ran.stderr.count("\n") == 1
    assert _seq(engine) == before[1]


def _seq(engine: Engine) -> Any:
    with Session(engine) as session:
        return [(one.name, one.seq, one.note) for one in store.studies(session)]


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    "text",
    ["it's", '"quoted"', "🦊", "=1+1", "x" * 10_000, "\ud800", "a\0b"],
    ids=lambda t: ascii(t[:9]),
)
def test_any_text_is_noted_or_refused(text: str, foveate: Run) -> None:
    assert foveate("note", "tiny", text).exit_code == 0
    shown = foveate("show", "tiny").output
    assert text.replace("\ud800", "?").replace("\0", "␀") in shown
    for words in (
        ["show", text],
        ["rename", "tiny", f"/{text}"],
        ["copy", "tiny", "--as", f"/{text}"],
    ):
        ran = foveate(*words)
        assert ran.exit_code == 2 and ran.stderr.startswith("foveate: ")
        ran.stderr.encode()
