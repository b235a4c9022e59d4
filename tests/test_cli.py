"""The command line: what it prints, and one sentence for each mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import foveate as foveate_package
from foveate.cli import app

EXAMPLE = str(Path(foveate_package.__file__).parent / "examples" / "plugin.py")
COMMANDS = ("search", "studies", "front", "replay", "export", "dashboard", "report")
COMMANDS += ("pack", "modules", "sites", "cost")


def foveate(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_shows_an_example(command: str) -> None:
    shown = foveate(command, "--help")
    assert shown.exit_code == 0 and f"Example: foveate {command}" in shown.output


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", foveate("--version").output)


MISTAKES = [
    (["sites", "resnet9"], "no backbone 'resnet9'; did you mean 'resnet8'? there are: resnet8, "),
    (["modules", "--backbone", "vgg"], "no backbone 'vgg'; did you mean 'vgg"),
    (["front", "nothing"], "there is no database 'foveate.db'; `foveate search` makes one"),
    (["studies", "--storage", "mongo://x"], "storage must be a database URL of sqlite, "),
    (["search", "none.yaml"], "cannot read the spec 'none.yaml': No such file or directory"),
    (["search", "--set", "recipe.epoch=3"], "no setting 'recipe.epoch'; did you mean 'recipe.epo"),
    (["search", "--set", "space.modules=[ecaa]"], "no attention module 'ecaa'; did you mean 'eca'"),
    (["search", "--set", "space.sites=['layer9*']"], "no site of resnet8 called 'layer9*'; "),
    (["search", "--set", "space.backbone=resnet"], "no backbone 'resnet'; did you mean "),
    (["search", "--set", "data.name=cifar"], "no data set 'cifar'; did you mean 'cifar10'? "),
    (["search", "--set", "data.name=imagefolder:nowhere"], "imagefolder: there is no folder 'now"),
    (["search", "--set", "data.name=pack:nowhere"], "there is no pack in 'nowhere': it has no pac"),
    (["search", "--set", "data.name=table:no.csv"], "table: cannot read 'no.csv': No such file or"),
    (["pack", "nowhere"], "imagefolder: there is no folder 'nowhere'"),
    (["pack", "no.csv"], "table: cannot read 'no.csv': No such file or directory"),
    (["search", "--set", "recipe.epochs=0"], "recipe.epochs: should be greater than or equal to 1"),
    (
        ["search", "--set", "stopping.rule=hope"],
        "stopping.rule may be 'pareto', 'asha', 'median' or",
    ),
    (["search", "--set", "recipe.batch=99999"], "recipe.batch is 99999, and cluttered-digits has "),
    (["search", "--set", "nonsense"], "--set takes section.key=value, got 'nonsense'"),
    (["search", "--time-budget", "soon"], "a time is written 90s, 10m or 1.5h, got 'soon'"),
    (["search", "--trials", "0"], "trials: should be greater than or equal to 1, got 0"),
    (["search", "--storage", "redis://here"], "storage must be a database URL of sqlite, "),
    (["search", "--storage", "sqlite:////no/such/x.db"], "the folder of the database '/no/such/"),
    (["search", "--plugin", "no.py"], "cannot read the plugin 'no.py': No such file or directory"),
    (["modules", "--plugin", "no.py"], "cannot read the plugin 'no.py': No such file or directory"),
    (
        ["cost", "resnet50", "--place", "layer3.0.bn=eca"],
        "no site of resnet50 called 'layer3.0.bn'; d",
    ),
    (["cost", "resnet50", "--place", "layer3.*=ecaa"], "no attention module 'ecaa'; did you mean"),
    (
        ["cost", "resnet50", "--place", "layer3.*"],
        "a placement is written layer3.*=eca or layer3.*",
    ),
    (
        ["cost", "inception_v3", "--image-size", "32"],
        "inception_v3 cannot take images of 32 x 32 p",
    ),
    (["sites", "nets.py:small"], "cannot read the file of backbones 'nets.py': No such file or di"),
    (["sites", "resnet18", "--plugin", "no.py"], "cannot read the plugin 'no.py': No such file or"),
    (["search", "--study", "a/b"], "a study's name has 1 to 100 letters, digits, spaces and "),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=lambda value: " ".join(value)[:40])
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = foveate(*words)
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"foveate: {sentence}") and ran.stderr.count("\n") == 1
    assert ran.stdout == "" and list(tmp_path.iterdir()) == []


def test_a_mistake_of_a_real_process_has_status_2_too(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "foveate.cli", "front", "x"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "foveate: there is no database 'foveate.db'; `foveate search` makes one\n"


def test_the_modules_are_listed_with_what_they_add() -> None:
    shown = foveate("modules", "--backbone", "resnet50").output
    assert re.search(r"se +channels +branch +16 +\+2,530,992 ", shown)
    assert re.search(r"aw +the weights.* +conv +16 +\+165,208 ", shown)
    assert re.search(r"steam +channels.* stem and stage +5 +\+320 ", shown)
    assert re.search(r"mhsa +all positions.* conv of the last stage +3 +-4,705,024 ", shown)
    assert "bare resnet50 at 224 pixels: 25,557,032 parameters, 4.127 GFLOPs" in shown


def test_the_sites_are_listed_with_what_may_stand_there() -> None:
    shown = foveate("sites", "resnet18", "--image-size", "64").output
    assert re.search(r"^stem *\n +maxpool +stem +64 x 16 x 16 +steam +22 *$", shown, re.MULTILINE)
    tree = r"^stage 1 *\n +layer1\.0 *\n +conv1 +conv +64 x 16 x 16 +aw .*\n +conv2 .*\n +bn2 +"
    assert re.search(rf"{tree}branch +64 x 16 x 16 +cbam ceca coord cram ", shown, re.MULTILINE)
    assert re.search(r"conv2 +conv +512 x 2 x 2 +aw mhsa", shown)
    assert "resnet18 at 64 pixels: 11,689,512 parameters, 0.149" in shown
    shown = foveate("sites", "mobilenet_v3_small", "--image-size", "64").output
    assert re.search(r"block\.1 +existing +16 x 16 x 16 +remove or a gate in its place +22", shown)


def test_the_backbones_are_listed() -> None:
    shown = foveate("sites").output
    assert re.search(r"for small images +resnet8 resnet14 resnet20 ", shown)
    assert re.search(r"torchvision +alexnet ", shown) and "wide_resnet101_2" in shown
    assert "wrn28_10" in shown and "vit_" not in shown


def test_a_placement_by_hand_is_priced() -> None:
    places = ["--place", "layer3.*=eca", "--place", "layer4.*.conv2=aw(reduction=8)"]
    shown = foveate("cost", "resnet50", *places).output
    assert "1000 classes: · | · · · | · · · · | eca eca eca eca eca eca | aw aw aw\n" in shown
    assert re.search(r"bare +25,557,032 +4\.12744 +4\.08918 +10\.53 MiB", shown)
    assert re.search(r"added +\+200,094 +\+0\.005801 ", shown)
    assert re.search(r"layer4\.0\.conv2 +aw\(reduction=8, share=in\) +\+66,688 ", shown)
    words = ["cost", "resnet8@width=2", "--image-size", "32", "--place", "*=se", "--latency"]
    shown = foveate(*words).output
    assert re.search(r"with attention +64 +[\d.]+ +[\d.]+ to [\d.]+ +[\d.]+", shown)


@pytest.mark.usefixtures("forget_plugins")
def test_a_plugins_module_is_listed_among_the_others() -> None:
    shown = foveate("modules", "--plugin", EXAMPLE).output
    assert re.search(r"spread +.*branch +16 +\+30,208 ", shown) and re.search(r"\nse +", shown)
    assert "weights channel/shared (channel)" in shown
    shown = foveate("sites", "resnet18", "--plugin", EXAMPLE).output
    assert re.search(r"bn2 +branch +64 x 56 x 56 .* spread", shown)


def test_pictures_are_packed_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    from foveate.workers.data import Data, load

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOVEATE_CACHE", str(tmp_path / "cache"))
    for number in range(20):
        file = tmp_path / "animals" / "cd"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (number, 0, 0)).save(file)
    file.write_text("no picture")
    ran = foveate("pack", "animals", "--image-size", "14")
    assert ran.exit_code == 2 and ran.stderr == (
        "foveate: imagefolder:animals: train has 20 pictures, of which at least 1 cannot be read "
        "and data.broken=0.01 allows 0; the first is 'd/19.png': no picture that can be "
        "recognised\n"
    )
    words = ["pack", "animals", "--image-size", "14", "--broken", "0.05", "--workers", "2"]
    shown = foveate(*words).output
    assert re.match(r"19 images of 2 classes in .*/cache/packs/animals-14-.*: packed in ", shown)
    assert "train: 19 images, 1 broken\n    d/19.png: no picture that can be" in shown
    setting = "--set data.name=imagefolder:animals --set data.image_size=14 --set data.broken=0.05"
    assert shown.endswith(f"Search them: foveate search {setting}\n")
    assert ": already there\n" in foveate(*words).output
    shown = foveate(*words, "--out", "packed").output
    assert shown.startswith("19 images of 2 classes in packed: packed in ")
    assert shown.endswith("foveate search --set data.name=pack:packed --set data.broken=0.05\n")
    assert load(Data(name="pack:packed", broken=0.05)).size == 14


def test_studies_and_fronts_are_printed(finished: Path) -> None:
    storage = ["--storage", f"sqlite:///{finished}/study.db"]
    assert re.search(r"toy +digits +resnet8 +3 +0 +0 +0 ", foveate("studies", *storage).output)
    shown = foveate("front", "toy", *storage).output
    assert "The front, cheapest first" in shown and "everywhere eca" in shown
    csv = foveate("front", "toy", "--format", "csv", *storage).output.splitlines()
    assert csv[0].startswith("trial,origin,on_front,accuracy,gflops,extra_mflops,extra_percent")
    rows = json.loads(foveate("front", "toy", "--format", "json", *storage).output)
    assert [row["origin"] for row in rows] == ["bare", "everywhere:eca"] and len(csv) == 3
    assert rows[0]["placement"] == {"version": 1, "backbone": "resnet8", "modules": []}


def test_a_wrong_study_format_or_choice_is_one_sentence(finished: Path) -> None:
    storage = ["--storage", f"sqlite:///{finished}/study.db"]
    best = ("export", "toy", "--out", "x", "--best")
    wrong = {
        ("front", "tov"): "no study 'tov'; did you mean 'toy'? there are: toy",
        ("front", "toy", "--format", "xml"): "--format may be table, csv or json, got 'xml'",
        ("export", "toy", "--out", "x"): "choose one of --best, --knee, --max-gflops and --trial",
        ("export", "toy", "--out", "x", "--trial", "7"): "study 'toy' has no trial 7; it has trials"
        " 0 to 2",
        (*best, "--format", "xml"): "a format may be module, onnx or pt2, got 'xml'",
        (*best, "--format", "torchscript"): "torchscript is deprecated in torch and not written: "
        "pt2 takes its place",
        ("replay", "tov"): "no study 'tov'; did you mean 'toy'? there are: toy",
        (
            "replay",
            "toy",
        ): "study 'toy' has 3 fully trained trials, and a replay takes at least 20; "
        "search on, best with --set stopping.rule=none",
    }
    for words, sentence in wrong.items():
        ran = foveate(*words, *storage)
        assert (ran.exit_code, ran.stderr) == (2, f"foveate: {sentence}\n")


def test_the_rules_are_compared_on_a_study(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from foveate.search import replay
    from foveate.search.synthetic import synthetic

    monkeypatch.setattr(replay, "recorded", lambda *_: synthetic(40, 16, seed=0))
    words = ["replay", "toy", "--workers", "4", "--repeats", "3"]
    shown = foveate(*words, "--storage", f"sqlite:///{finished}/study.db").output
    assert "40 fully trained candidates, 0 of them baselines, proposed in 3 orders to 4" in shown
    assert re.search(r"^none +100\.0 +100\.0 +100\.00 ± 0\.00 ", shown, re.MULTILINE)
    rows = [line.split()[0] for line in shown.splitlines()[3:7]]
    assert rows == ["none", "median", "asha", "pareto"]
    assert "counts from" in shown and "were stopped early" not in shown


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A database with a study of three fully trained baselines."""
    from foveate import SearchSpec
    from foveate.search.ledger import Ledger

    spec = SearchSpec.read(None, ["data.name=digits", "space.modules=[eca, se]", "recipe.epochs=1"])
    accuracies = {"bare": 0.5, "everywhere:eca": 0.6, "everywhere:se": 0.4}
    with Ledger(f"sqlite:///{tmp_path}/study.db", "toy", spec, *spec.prepare()) as ledger:
        for _ in accuracies:
            job = ledger.ask()
            assert job is not None
            epoch = {"number": 1, "train_loss": 1.0, "seconds": 1.0}
            epoch["accuracy"] = accuracies[job.origin]
            ledger.report(job.number, worker="w", device="cpu", epoch=epoch)
    return tmp_path


@pytest.mark.usefixtures("forget_plugins")
def test_ctrl_c_at_any_time_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("foveate.search.run.run", interrupted)
    Path("my own.py").write_text(Path(EXAMPLE).read_text("utf-8"))
    ran = foveate("search", "--trials", "3", "--plugin", "my own.py")
    assert ran.exit_code == 130 and ran.stderr == ""
    assert ran.output.splitlines() == [
        "Interrupted; every finished epoch is kept.",
        "Go on: foveate search --plugin 'my own.py' --trials 3",
    ]
