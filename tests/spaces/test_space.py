from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import optuna
import pytest

from foveate import attention
from foveate.errors import BadValue, UnknownName
from foveate.spaces import Module, Placement, Space, SpaceSettings, cost, sites
from foveate.spaces.plugging import complete


def space(**settings: Any) -> Space:
    return Space(SpaceSettings(**settings), image_size=32)


class Explorer:
    """Chooses every value in turn: as an odometer, the last question turns fastest."""

    def __init__(self) -> None:
        self.digits: list[int] = []
        self.asked: list[int] = []  # how many choices each question had

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        question = len(self.asked)
        if question == len(self.digits):
            self.digits.append(0)
        self.asked.append(len(choices))
        return choices[self.digits[question]]

    def turn(self) -> bool:
        """Go on to the next way to answer; ``False`` after the last."""
        while self.digits and self.digits[-1] == self.asked[len(self.digits) - 1] - 1:
            self.digits.pop()
        self.asked.clear()
        if self.digits:
            self.digits[-1] += 1
        return bool(self.digits)


def every_placement(of: Space) -> Iterator[Placement]:
    explorer, more = Explorer(), True
    while more:
        yield of.suggest(explorer)
        more = explorer.turn()


SMALL: list[dict[str, Any]] = [
    {"modules": ("se", "eca", "pointwise"), "sites": ("*.bn2",)},
    {"modules": ("se", "pointwise", "aw"), "sites": ("layer3*",)},
    {"modules": ("steam", "eca"), "sites": ("relu", "layer1.*", "layer3")},
    {"modules": ("pointwise",)},
]


@pytest.mark.parametrize("mode", ["fixed", "module", "site"])
@pytest.mark.parametrize("settings", SMALL, ids=lambda s: "+".join(s["modules"]))
def test_the_size_is_the_number_of_placements(settings: dict[str, Any], mode: str) -> None:
    small = space(**settings, hyperparameters=mode)
    found = list(every_placement(small))
    assert len(found) == len(set(found)) == small.size


@pytest.mark.parametrize("mode", ["fixed", "module", "site"])
def test_the_size_of_a_large_space_is_exact(mode: str) -> None:
    """Three sites in a row take the same two modules: counted by hand."""
    both = space(modules=("se", "eca"), sites=("*.bn2",), hyperparameters=mode)
    se, eca = 4, 5
    by_hand = {
        "fixed": 3**3,
        "module": 1 + 7 * se + 7 * eca + (3**3 - 1 - 7 - 7) * se * eca,
        "site": (1 + se + eca) ** 3,
    }
    assert both.size == by_hand[mode]


@pytest.mark.parametrize("mode", ["fixed", "module", "site"])
@pytest.mark.parametrize("name", ["resnet8", "resnet20", "resnet50"])
def test_a_sample_can_be_built_and_found_again(name: str, mode: str) -> None:
    whole, rng = space(backbone=name, hyperparameters=mode), Random(0)
    for _ in range(10):
        placement = whole.sample(rng)
        assert complete(placement) == placement
        chosen = whole.parameters(placement)
        assert chosen is not None
        assert whole.suggest(optuna.trial.FixedTrial(chosen)) == placement


def test_samples_differ_and_repeat_with_their_seed() -> None:
    whole = space(backbone="resnet20")
    once, again = Random(1), Random(1)
    found = [whole.sample(once, density=0.5) for _ in range(20)]
    assert len(set(found)) == 20
    assert [whole.sample(again, density=0.5) for _ in range(20)] == found


def test_samples_reach_every_module_and_nothing() -> None:
    whole, rng = space(modules=("all",)), Random(0)
    found = [whole.sample(rng) for _ in range(200)]
    assert {name for placement in found for name in placement.names} == {*attention.names()}
    assert any(not placement.at("layer1.0.bn2") for placement in found)


def test_every_site_takes_the_modules_of_its_kind() -> None:
    for slot in space(backbone="resnet20").slots:
        assert slot.options
        for name, there in slot.options.items():
            assert [site.path for site in there] == [slot.name]
            assert {*there[0].kinds} & {*attention.entry(name).sites}


def test_a_study_may_propose() -> None:
    small = space(modules=("se", "aw"), sites=("layer2*",))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        trial = study.ask()
        placement = small.suggest(trial)
        assert trial.params == small.parameters(placement)


@pytest.mark.parametrize(
    ("mode", "parameters"),
    [
        ("fixed", {"layer1.0.bn2": "se"}),
        ("module", {"layer1.0.bn2": "se", "se.reduction": 8}),
        ("site", {"layer1.0.bn2": "se", "layer1.0.bn2.se.reduction": 8}),
    ],
)
def test_a_parameter_is_called_by_what_it_decides(mode: str, parameters: dict[str, Any]) -> None:
    small = space(modules=("se",), sites=("layer1.0.bn2",), hyperparameters=mode)
    reduction = 16 if mode == "fixed" else 8
    placement = Placement.of("resnet8", [Module("layer1.0.bn2", "se", (("reduction", reduction),))])
    assert small.parameters(placement) == parameters


def test_what_is_outside_has_no_parameters() -> None:
    small = space(modules=("se",), sites=("*.bn2",), hyperparameters="module")
    first = Module("layer1.0.bn2", "se", (("reduction", 8),))
    outside = [
        Placement.of("resnet8", [Module("layer1.0.bn2", "eca", (("kernel", 3),))]),
        Placement.of("resnet8", [Module("layer3", "se", (("reduction", 8),))]),
        Placement.of("resnet8", [first, first]),
        Placement.of("resnet8", [first, Module("layer2.0.bn2", "se", (("reduction", 4),))]),
        Placement.of("resnet20", [first]),
    ]
    assert [small.parameters(placement) for placement in outside] == [None] * 5
    assert small.parameters(Placement.of("resnet8", [first])) is not None


def test_the_baselines_are_the_bare_network_and_each_module_everywhere() -> None:
    whole = space(modules=("all",))
    found = whole.baselines()
    assert list(found) == ["bare", *(f"everywhere:{name}" for name in attention.names())]
    assert found["bare"] == Placement("resnet8")
    for name in attention.names():
        placement, entry = found[f"everywhere:{name}"], attention.entry(name)
        there = {s.path for s in sites("resnet8", 32) if entry.stands_at(s.kinds, s.stage, 3)}
        assert {module.site for module in placement.modules} == there
        assert placement.names == [name]
        assert complete(placement, 32) == placement
        assert whole.parameters(placement) is not None


def test_where_everything_saves_the_dearest_is_the_bare_network() -> None:
    cheaper = space(modules=("sk",), hyperparameters="fixed", identity_init=False)
    bare, sk = (cheaper.cost(cheaper.baselines()[key]) for key in ("bare", "everywhere:sk"))
    assert sk.operations < bare.operations
    assert cheaper.dearest_gflops == pytest.approx(bare.gflops)
    kept = space(modules=("sk",))  # with the convolution, too, nothing is saved
    assert kept.cost(kept.baselines()["everywhere:sk"]).operations > bare.operations
    assert kept.dearest_gflops > bare.gflops


@pytest.mark.parametrize("mode", ["fixed", "site"])
def test_nothing_costs_more_than_the_dearest(mode: str) -> None:
    small = space(modules=("se", "pointwise", "aw"), sites=("layer3*",), hyperparameters=mode)
    found = max(cost(placement, 32, 1000).gflops for placement in every_placement(small))
    assert small.dearest_gflops == pytest.approx(found, rel=1e-9)


def test_sites_are_chosen_by_patterns() -> None:
    assert {slot.name for slot in space(sites=("layer[12].0.bn2", "relu")).slots} == {
        "relu",
        "layer1.0.bn2",
        "layer2.0.bn2",
    }


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"backbone": "resnet9"},
        UnknownName,
        r"^no backbone 'resnet9'; did you mean 'resnet\d+'\? there are: ",
    ),
    (
        {"modules": ("se", "ecaa")},
        UnknownName,
        r"^no attention module 'ecaa'; did you mean 'eca'\? there are: ",
    ),
    ({"modules": ()}, BadValue, r"^space\.modules names no module, so there is nothing to search$"),
    (
        {"sites": ("layer9.*", "relu")},
        UnknownName,
        r"^no site of resnet8 called 'layer9\.\*'; ",
    ),
    (
        {"modules": ("steam",), "sites": ("*.bn2",)},
        BadValue,
        r"^none of steam can stand at \*\.bn2$",
    ),
    (
        {"hyperparameters": "all"},
        BadValue,
        r"^hyperparameters may be 'fixed', 'module', 'stage' or 'site', got 'all'$",
    ),
    (
        {"module": ("se",)},
        UnknownName,
        r"'module'; did you mean 'modules'\? there are: ",
    ),
]


@pytest.mark.parametrize(("settings", "error", "sentence"), WRONG)
def test_what_cannot_be_searched_is_refused_with_a_sentence(
    settings: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        space(**settings)


def test_settings_are_plain_data() -> None:
    settings = SpaceSettings(modules=("se", "eca", "se"), sites=("*.bn2",))
    assert settings.modules == ("eca", "se")
    assert SpaceSettings.of(settings.to_dict()) == settings
