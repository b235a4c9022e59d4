import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveate.errors import BadValue, UnknownName, UserError
from foveate.search.spec import Resources, SearchSpec, seconds_of


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], str]:
    """A spec in a file of this content: its path."""

    def write(content: str | bytes) -> str:
        path = tmp_path / "spec.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


CHANGED: dict[str, Any] = {
    "data": {"name": "imagefolder:/tmp/pictures", "image_size": 48, "validation": 0.1, "seed": 3},
    "space": {"backbone": "resnet20", "modules": ["se", "aw"], "sites": ["layer2*"]},
    "recipe": {"epochs": 5, "peak_lr": 0.05, "augment": "shift+flip"},
    "stopping": {"rule": "none"},
    "sampler": {"name": "random", "startup": 0},
    "resources": {"workers": 3, "gpus": 0.5, "address": "auto"},
    "trials": 7,
    "time_budget": 90.5,
    "seed": 11,
}


@pytest.mark.parametrize("values", [{}, CHANGED], ids=["defaults", "changed"])
def test_a_spec_survives_plain_data_and_yaml(values: dict[str, Any], written: Any) -> None:
    spec = SearchSpec.of(values)
    assert SearchSpec.of(spec.to_dict()) == spec
    assert SearchSpec.read(written(yaml.safe_dump(spec.to_dict()))) == spec


def test_what_yaml_says_is_what_is_meant(written: Any) -> None:
    spec = SearchSpec.read(
        written("recipe:\n  epochs: 5\n  peak_lr: 1e-2\ntime_budget: 10m\nspace: {modules: [se]}\n")
    )
    assert (spec.recipe.epochs, spec.recipe.peak_lr, spec.time_budget) == (5, 0.01, 600.0)
    assert spec.space.modules == ("se",)
    assert spec.recipe.batch == SearchSpec().recipe.batch


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}"])
def test_an_empty_file_is_the_default_search(content: str, written: Any) -> None:
    assert SearchSpec.read(written(content)) == SearchSpec() == SearchSpec.read(None)


@pytest.mark.parametrize(
    ("change", "section", "key", "value"),
    [
        ("recipe.epochs=20", "recipe", "epochs", 20),
        ("recipe.peak_lr=5e-3", "recipe", "peak_lr", 0.005),
        ("space.modules=[se, eca]", "space", "modules", ("eca", "se")),
        ("data.name=imagefolder:a=b", "data", "name", "imagefolder:a=b"),
        ("data.image_size=null", "data", "image_size", None),
        ("space.identity_init=no", "space", "identity_init", False),
        ("space={backbone: resnet14}", "space", "backbone", "resnet14"),
    ],
)
def test_a_setting_is_changed_from_outside(
    change: str, section: str, key: str, value: object
) -> None:
    assert getattr(getattr(SearchSpec.read(None, [change]), section), key) == value


def test_the_last_change_counts_and_goes_over_the_file(written: Any) -> None:
    path = written("trials: 3\nrecipe: {epochs: 3, batch: 8}\n")
    spec = SearchSpec.read(path, ["trials=4", "recipe.epochs=4", "trials=5"])
    assert (spec.trials, spec.recipe.epochs, spec.recipe.batch) == (5, 4, 8)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("recipe.epochs", "--set takes section.key=value, got 'recipe.epochs'"),
        ("=3", "--set takes section.key=value, got '=3'"),
        ("recipe.epochs=[", "--set recipe.epochs: '[' is no value of YAML"),
        ("trials.x=3", "trials: should be a valid integer, got {'x': 3}"),
        ("recipe.epochs=0", "recipe.epochs: should be greater than or equal to 1, got 0"),
        ("resources=fast", "resources may be 'auto' or settings, got 'fast'"),
        ("recipe.epochs=many", "recipe.epochs: should be a valid integer, unable to parse string"),
        (
            "recipe.augment=flip",
            "recipe.augment may be 'auto', 'none', 'shift', 'shift+flip', ",
        ),
        ("recipe.epohcs=3", "no setting 'recipe.epohcs'; did you mean 'recipe.epochs'? there are"),
        (
            "recpie.epochs=3",
            "no setting 'recpie'; did you mean 'recipe'? there are: backbone_files, constr",
        ),
        ("space.backbone=resnet9", "no backbone 'resnet9'; did you mean 'resnet"),
        ("space.modules=[ecaa]", "no attention module 'ecaa'; did you mean 'eca'?"),
        ("space.modules=[]", "space.modules names no module, so there is nothing to search"),
        ("space.modules=se", "space.modules: should be a valid tuple, got 'se'"),
        ("data.name=cifra10", "no data set 'cifra10'; did you mean 'cifar10'? there are: clut"),
        ("data.image_size=4", "data.image_size: should be greater than or equal to 8, got 4"),
        ("data.validation=1", "data.validation: should be less than 1, got 1"),
        ("sampler.name=grd", "no sampler 'grd'; did you mean 'grid'? there are: gp, grid, nsga2"),
        ("sampler.options=[1]", "sampler.options: should be a valid dictionary, got [1]"),
        ("sampler.gaps=2", "sampler.gaps: should be less than or equal to 1, got 2"),
        ("stopping.factor=1", "stopping.factor: should be greater than 1, got 1"),
        ("resources.gpus=-1", "resources.gpus: should be greater than or equal to 0, got -1"),
        ("time_budget=0", "time_budget: should be greater than 0, got 0"),
        ("time_budget=soon", "a time is written 90s, 10m or 1.5h, got 'soon'"),
        ("recipe=", "recipe: should be a valid dictionary or instance of Recipe, got None"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_where(change: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        SearchSpec.read(None, [change])
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_value_is_no_section() -> None:
    sentence = r"^--set trials\.x: 'trials' is a value, not a section$"
    with pytest.raises(BadValue, match=sentence):
        SearchSpec.read(None, ["trials=3", "trials.x=3"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("- a\n- b\n", "must hold settings, got list"),
        ("just words", "must hold settings, got str"),
        ("a: 1\nb: [\n", "is no YAML, line 3"),
        ("a: 1\n\tb: 2\n", "is no YAML, line 2"),
        (b"\xff\xfe\xfa", "is no YAML"),
        ("recipe: {epochs: !!python/object:os.system {}}", "is no YAML, line 1"),
    ],
)
def test_a_file_that_is_no_spec_is_named(content: str | bytes, sentence: str, written: Any) -> None:
    path = written(content)
    with pytest.raises(BadValue) as caught:
        SearchSpec.read(path)
    assert str(caught.value) == f"the spec {path!r} {sentence}"


@pytest.mark.parametrize("content", ["1: 2", "recipe: {1: 2}", "recipe: {epochs: 2001-13-45}"])
def test_what_yaml_can_hold_and_a_spec_cannot_is_a_users_mistake(
    content: str, written: Any
) -> None:
    with pytest.raises(UserError):
        SearchSpec.read(written(content))


def test_a_date_that_is_none_is_no_value_of_a_setting() -> None:
    with pytest.raises(UserError, match=r"^--set seed: '2001-13-45' is no value of YAML$"):
        SearchSpec.read(None, ["seed=2001-13-45"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"^cannot read the spec 'no\.yaml': No such file"):
        SearchSpec.read("no.yaml")
    with pytest.raises(BadValue, match=r"^cannot read the spec '.*': Is a directory$"):
        SearchSpec.read(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172800), ("0.5", 0.5)],
)
def test_a_time_may_have_a_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
    assert SearchSpec.of({"time_budget": text}).time_budget == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "-5m", "0", "0s", "nan", "inf", "infh", "1 0"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        seconds_of(text)
    assert str(caught.value) == f"a time is written 90s, 10m or 1.5h, got {text!r}"


@given(st.text())
def test_a_time_is_positive_or_refused(text: str) -> None:
    with suppress(BadValue):
        assert 0 < seconds_of(text) < float("inf")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("digits", "digits-resnet8"),
        ("imagefolder:/data/cats", "cats-resnet8"),
        ("imagefolder:/data/cats/", "cats-resnet8"),
        ("imagefolder:", "imagefolder-resnet8"),
    ],
)
def test_a_study_is_called_after_its_data_and_backbone(data: str, name: str) -> None:
    assert SearchSpec.of({"data": {"name": data}}).default_name == name


@pytest.mark.parametrize("folder", ["my pictures (1)", ".hidden", "a:b", "x" * 200])
def test_a_name_that_nobody_chose_is_one_that_a_study_may_have(folder: str) -> None:
    name = SearchSpec.of({"data": {"name": f"imagefolder:/{folder}"}}).default_name
    assert re.fullmatch(r"[\w.+= -]{1,100}", name) and not name.startswith(".")  # as a ledger asks


def test_differences_are_what_makes_figures_incomparable() -> None:
    spec = SearchSpec()
    other = SearchSpec.of(
        {
            "data": {"seed": 1, "root": "elsewhere"},
            "space": {"backbone": "resnet20"},
            "recipe": {"epochs": 5},
            "stopping": {"first": 1},
            "sampler": {"name": "random"},
            "resources": {"workers": 1},
            "trials": 99,
            "time_budget": 5,
            "seed": 4,
            "folder": "elsewhere",
        }
    )
    assert spec.differences(other.to_dict()) == [
        ("data.seed", 0, 1),
        ("space.backbone", "resnet8", "resnet20"),
        ("recipe.epochs", spec.recipe.epochs, 5),
    ]
    assert spec.differences(SearchSpec().to_dict()) == []


def test_workers_fill_the_machine_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foveate.search.spec.cpu_count", lambda: 8)
    assert SearchSpec().workers == 8
    assert SearchSpec(resources=Resources(threads=3)).workers == 2
    assert SearchSpec(resources=Resources(threads=16)).workers == 1
    assert SearchSpec(resources=Resources(workers=5)).workers == 5
    assert SearchSpec(resources=Resources(workers=5, threads=3)).cpus == 15
    assert SearchSpec.read(None, ["resources=auto"]).cpus == 8


def test_preparing_gives_images_and_a_space_of_their_size() -> None:
    images, space = SearchSpec.read(None, ["data.name=digits"]).prepare()
    assert images.size == space.image_size == 8
    assert space.settings.backbone == "resnet8"


def test_a_batch_larger_than_the_data_is_refused() -> None:
    spec = SearchSpec.read(None, ["data.name=digits", "recipe.batch=1079"])
    with pytest.raises(BadValue) as caught:
        spec.prepare()
    assert str(caught.value) == "recipe.batch is 1079, and digits has only 1078 training images"
    assert SearchSpec.read(None, ["data.name=digits", "recipe.batch=1078"]).prepare()


def test_a_site_that_there_is_not_is_told_before_anything_starts() -> None:
    spec = SearchSpec.read(None, ["data.name=digits", "space.sites=[layer9]"])
    with pytest.raises(UnknownName, match=r"no site of resnet8 called 'layer9'; did you mean"):
        spec.prepare()


@pytest.mark.parametrize("change", ["data.seed=4294967296", "recipe.seed=18446744073709551616"])
def test_a_seed_that_no_generator_takes_is_told_before_anything_starts(change: str) -> None:
    with pytest.raises(BadValue, match="seed: should be less than"):
        SearchSpec.read(None, ["data.name=digits", change]).prepare()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "recipe.loss=binary",
            "recipe.loss is 'binary', and an image of digits may have one label",
        ),
        (
            "recipe.train=head",
            "recipe.train is 'head', which leaves the backbone as it is: name its weights with "
            "space.weights",
        ),
    ],
)
def test_a_recipe_has_to_fit_the_images_and_the_backbone(change: str, sentence: str) -> None:
    with pytest.raises(BadValue) as caught:
        SearchSpec.read(None, ["data.name=digits", change]).prepare()
    assert str(caught.value) == sentence


def test_images_of_several_labels_need_a_loss_for_them(tmp_path: Path) -> None:
    rows = ["file,labels"]
    for number in range(12):
        Image.new("RGB", (16, 16), (20 * number, 0, 0)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{'cat|dog' if number % 3 else 'dog'}")
    (tmp_path / "pets.csv").write_text("\n".join(rows))
    changes = [f"data.name=table:{tmp_path}/pets.csv", "data.image_size=16", "recipe.batch=4"]
    images, _ = SearchSpec.read(None, [*changes, "recipe.loss=binary"]).prepare()
    assert images.multi_label and images.classes == ("cat", "dog")
    with pytest.raises(BadValue, match=r"may have several labels: recipe\.loss: binary$"):
        SearchSpec.read(None, changes).prepare()
