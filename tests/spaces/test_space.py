from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import optuna
import pytest
import torch
from hypothesis import assume, given
from hypothesis import settings as at_most
from hypothesis import strategies as st

from foveate import attention
from foveate.errors import BadValue, UnknownName
from foveate.spaces import Module, Placement, Space, SpaceSettings, cost, draw, sites
from foveate.spaces.plugging import build, complete
from foveate.spaces.site import KINDS


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
    assert len({*every_placement(small)}) == small.size


@pytest.mark.parametrize("mode", ["fixed", "module", "site"])
def test_the_size_of_a_large_space_is_exact(mode: str) -> None:
    """Three sites in a row take the same two modules: counted by hand."""
    both = space(modules=("se", "eca"), sites=("*.bn2",), hyperparameters=mode)
    # with 16 channels reductions of 16 and 32 are the same; the usual kernel is 3 at all of them
    only_se = 3 + 6 * 4  # at the first site alone, or at any others
    only_eca = 7 * 4
    together = 3 * (3 * 4) + (3**3 - 1 - 7 - 7 - 3) * (4 * 4)
    by_hand = {
        "fixed": 3**3,
        "module": 1 + only_se + only_eca + together,
        "site": (1 + 3 + 4) * (1 + 4 + 4) ** 2,
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
        {"modules": ("se",), "kinds": ("stem", "conv"), "stages": (7, 9)},
        BadValue,
        r"^none of se can stand at \* of kind stem or conv in stage 7 or 9$",
    ),
    (
        {"granularity": "network", "hyperparameters": "stage"},
        BadValue,
        r"^hyperparameters per stage need choices per stage or block, and granularity is 'netw",
    ),
    ({"kinds": ("head",)}, BadValue, r"^a kind of site is stem, .* or named, got 'head'$"),
    ({"image_sizes": (32, 0)}, BadValue, r"^a width or a size is greater than 0, got 32 and 0$"),
    (
        {"preset": "eann"},
        BadValue,
        r"^preset may be 'ean', 'papers', 'gates' or 'full', got 'eann'$",
    ),
    ({"most": 0}, BadValue, r"^most: should be greater than or equal to 1, got 0$"),
    ({"backbones": ("resnet9",)}, UnknownName, r"^no backbone 'resnet9'; "),
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


SCOPES = ("fixed", "module", "stage", "site")
GRAINS = ("block", "stage", "network")
SETTINGS = st.fixed_dictionaries(
    {
        "granularity": st.sampled_from(GRAINS),
        "hyperparameters": st.sampled_from(SCOPES),
        "backbone": st.sampled_from(["resnet8", "resnet14"]),
    },
    optional={
        "preset": st.sampled_from(["ean", "papers", "gates", "full"]),
        "modules": st.sets(st.sampled_from(attention.names()), min_size=1, max_size=4).map(tuple),
        "kinds": st.sets(st.sampled_from(KINDS), min_size=1, max_size=4).map(tuple),
        "stages": st.sets(st.sampled_from([0, 1, 2, 3, -1, -2]), min_size=1).map(tuple),
        "sites": st.sampled_from([("*.bn2", "relu"), ("layer3*",), ("bn1", "layer2.*.bn1", "*")]),
        "backbones": st.just(("resnet8", "resnet14")),
        "image_sizes": st.sampled_from([(24,), (24, 32), (8, 24, 32)]),
        "most": st.integers(1, 4),
    },
)


def drawn_space(settings: dict[str, Any]) -> Space:
    """The space of ``settings``; if these leave nothing to choose, the example is dropped."""
    try:
        return space(**settings)
    except BadValue as error:
        assume("none of" not in str(error) and "hyperparameters per stage" not in str(error))
        raise


@at_most(deadline=None, max_examples=60)
@given(SETTINGS, st.integers(0, 2**32), st.data())
def test_whatever_the_settings_a_sample_is_a_placement_of_the_space(
    settings: dict[str, Any], seed: int, data: st.DataObject
) -> None:
    whole = drawn_space(settings)
    vector = [data.draw(st.integers(0, len(c) - 1)) for c in whole.coordinates.values()]
    for found in (whole.sample(Random(seed)), whole.decode(vector)):
        assert complete(found, 32) == found
        chosen = whole.parameters(found)
        assert chosen is not None
        assert whole.suggest(optuna.trial.FixedTrial(chosen)) == found
        assert whole.decode(whole.encode(found)) == found
        assert chosen.keys() <= whole.coordinates.keys()
        assert len(found.modules) <= settings.get("most", len(found.modules))
        assert found.base in whole.bases


@at_most(deadline=None, max_examples=8)
@given(SETTINGS, st.integers(0, 2**32))
def test_whatever_the_settings_nothing_costs_more_than_the_dearest(
    settings: dict[str, Any], seed: int
) -> None:
    whole = drawn_space(settings)
    for density in (None, 1.0):
        found = whole.sample(Random(seed), density=density)
        assert whole.cost(found).gflops <= whole.dearest_gflops * (1 + 1e-9)


def architecture(placement: Placement) -> list[object]:
    """What a placement is when it is built: modules, their settings and their parameters."""
    with torch.device("meta"):
        model = build(placement, 10, image_size=32)
    plain = (bool, int, float, str, tuple)
    return [
        placement.image_size,
        *(
            (path, type(module), module.extra_repr(), str(settings))
            for path, module in model.named_modules()
            if (settings := {k: v for k, v in vars(module).items() if isinstance(v, plain)})
        ),
        *((name, value.shape) for name, value in model.named_parameters()),
    ]


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [key for key in one if key in other and one[key] != other[key]]


@at_most(deadline=None, max_examples=40)
@given(SETTINGS, st.integers(0, 2**32))
def test_a_neighbour_differs_in_one_choice_and_has_the_placement_as_its_own(
    settings: dict[str, Any], seed: int
) -> None:
    whole, rng = drawn_space(settings), Random(seed)
    placement = whole.sample(rng)
    chosen, near = whole.parameters(placement), [*whole.neighbours(placement)]
    assert chosen is not None
    assert placement not in near
    assert len({*near}) == len({other.key for other in near}) == len(near)
    for other in rng.sample(near, min(3, len(near))):
        assert complete(other, 32) == other
        theirs = whole.parameters(other)
        assert theirs is not None
        changed, *meaningless = sorted(differing(chosen, theirs), key=hyperparameter)
        # with fewer sites left, other values of a hyper-parameter may come to the same
        instead = theirs | {key: chosen[key] for key in meaningless}
        assert whole.suggest(optuna.trial.FixedTrial(instead)) == other
        if not hyperparameter(changed):
            # on few channels two values of a hyper-parameter may come to the same, else:
            assert architecture(other) != architecture(placement)
        gone = [key for key in chosen if key not in theirs]
        plain = all(chosen[key] == default_of(key) for key in gone)
        if not meaningless:
            assert (placement in {*whole.neighbours(other)}) is plain


def hyperparameter(parameter: str) -> bool:
    return f".{parameter}".split(".")[-2] in attention.names()


def default_of(parameter: str) -> Any:
    *_, module, key = parameter.split(".")
    return attention.entry(module).hyperparameters[key].default


@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("grain", GRAINS)
def test_the_neighbours_are_all_that_differ_in_one_choice(grain: str, most: int | None) -> None:
    small = space(
        modules=("nonlocal", "pointwise"),
        kinds=("branch", "block"),
        stages=(2, 3),
        granularity=grain,
        most=most,
        image_sizes=(24, 32),
    )
    known = {found: small.parameters(found) for found in every_placement(small)}
    for one, chosen in [*known.items()][:: max(1, len(known) // 20)]:
        assert chosen is not None
        expected = {
            other
            for other, theirs in known.items()
            if theirs is not None
            and len(differing(chosen, theirs)) == 1
            and all(theirs[key] == default_of(key) for key in theirs if key not in chosen)
        }
        assert {*small.neighbours(one)} == expected


TINY: list[dict[str, Any]] = [
    {"modules": ("nonlocal", "pointwise"), "kinds": ("block", "stage"), "backbone": "resnet14"},
    {"modules": ("aw", "pointwise"), "kinds": ("conv", "branch"), "stages": (3,)},
    {"modules": ("pointwise",), "backbones": ("resnet14",), "image_sizes": (24, 32)},
    {"modules": ("mhsa", "bam"), "image_sizes": (8, 32), "stages": (1, 3)},
    {"modules": ("nonlocal",), "sites": ("layer1*", "layer2.0.bn1"), "kinds": ("block",)},
]


@pytest.mark.parametrize("most", [None, 1, 2])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("number", range(len(TINY)))
def test_the_size_is_exact_in_every_mode(
    number: int, grain: str, scope: str, most: int | None
) -> None:
    if (grain, scope) == ("network", "stage"):
        return
    small = space(**TINY[number], granularity=grain, hyperparameters=scope, most=most)
    if small.size > 600:  # it takes seconds to go through them
        small = space(
            **{**TINY[number], "modules": TINY[number]["modules"][:1], "stages": (3,)},
            granularity=grain,
            hyperparameters=scope,
            most=most,
        )
    found = {*every_placement(small)}
    assert len(found) == small.size
    assert all(most is None or len(placement.modules) <= most for placement in found)


def test_equal_architectures_have_equal_keys_and_others_have_not() -> None:
    small = space(
        modules=("nonlocal", "simam", "aw"),
        kinds=("conv", "branch", "block", "stage"),
        stages=(3,),
        granularity="stage",
        backbone="resnet14",
        most=3,
    )
    found = {*every_placement(small)}
    assert len(found) > 20
    built = {str(architecture(placement)) for placement in found}
    assert len(built) == len({placement.key for placement in found}) == len(found)


def test_sites_that_share_a_module_in_two_slots_have_it_twice() -> None:
    """The last block of a stage is one of its blocks, and its end."""
    both = space(
        backbone="resnet14",
        modules=("se",),
        kinds=("block", "stage"),
        stages=(1,),
        granularity="stage",
        hyperparameters="site",
    )
    assert [slot.name for slot in both.slots] == ["stage1.block", "stage1.stage"]
    chosen = {"stage1.block": "se", "stage1.block.se.reduction": 4}
    chosen |= {"stage1.stage": "se", "stage1.stage.se.reduction": 8}
    found = both.suggest(optuna.trial.FixedTrial(chosen))
    assert [str(module) for module in found.at("layer1.1")] == [
        "se(reduction=4)",
        "se(reduction=8)",
    ]
    assert both.parameters(found) == chosen


def test_what_replaces_a_convolution_is_of_one_slot() -> None:
    """Else a placement could be proposed that two modules would have to take the place of."""
    one = space(modules=("aw",), kinds=KINDS, granularity="stage")
    replaced = [
        site.path for slot in one.slots for there in slot.options.values() for site in there
    ]
    assert len(replaced) == len({*replaced}) == 6


def test_parameters_keep_their_choices_whatever_is_asked() -> None:
    """Optuna raises if they do not."""
    whole = space(
        backbone="resnet8",
        backbones=("resnet14",),
        image_sizes=(8, 24, 32),
        modules=("mhsa", "bam", "se", "steam"),
        hyperparameters="site",
        most=2,
    )
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    for number in range(30):
        trial = study.ask()
        found = whole.suggest(trial)
        assert trial.params.keys() <= whole.coordinates.keys()
        for name, distribution in trial.distributions.items():
            assert distribution.choices == tuple(whole.coordinates[name])
        assert whole.parameters(found) is not None
        study.tell(trial, float(number % 7))
    asked = {trial.params["@backbone"] for trial in study.trials}
    assert asked == {"resnet8", "resnet14"}


def test_a_vector_is_refused_with_a_sentence_unless_it_means_a_placement() -> None:
    small = space(modules=("se",), sites=("layer1.0.bn2",))
    assert dict(small.coordinates) == {
        "layer1.0.bn2": ("none", "se"),
        "se.reduction": (4, 8, 16, 32),
    }
    assert small.decode([0, 3]) == Placement("resnet8")
    assert small.encode(Placement("resnet8")) == (0, 0)
    with pytest.raises(BadValue, match=r"^a vector has 2 numbers, got 1$"):
        small.decode([1])
    with pytest.raises(BadValue, match=r"^se\.reduction is a number from 0 to 3, got 4$"):
        small.decode([1, 4])
    with pytest.raises(BadValue, match=r"^layer1\.0\.bn2 is a number from 0 to 1, got -1$"):
        small.decode([-1, 0])
    outside = Placement.of("resnet8", [Module("layer3.0", "se", {"reduction": 8})])
    for ask in (small.encode, lambda placement: [*small.neighbours(placement)]):
        with pytest.raises(BadValue, match=r"^not a placement of this space: {"):
            ask(outside)


def test_sites_that_the_settings_name_are_drawn() -> None:
    named = space(modules=("se",), sites=("layer2.0.bn1", "relu"), kinds=("stem",))
    found = named.sample(Random(0), density=1)
    assert draw(found, named.site_dicts()) == "se | · | se | ·"


def test_of_several_backbones_every_site_says_of_which_it_is() -> None:
    there = space(modules=("se",), backbones=("resnet14",)).site_dicts()
    assert {site["backbone"] for site in there} == {"resnet8", "resnet14"}
    assert len(there) == len(sites("resnet8", 32)) + len(sites("resnet14", 32))
    assert all("backbone" not in site for site in space(modules=("se",)).site_dicts())


@pytest.mark.parametrize("preset", ["ean", "papers", "gates", "full"])
def test_a_preset_is_what_was_not_set(preset: str) -> None:
    assert SpaceSettings(preset=preset, most=2).most == 2
    assert SpaceSettings(preset=preset, modules=("eca",)).modules == ("eca",)
    found = SpaceSettings(preset=preset)
    assert SpaceSettings.of(found.to_dict()) == found
    assert Space(found, 32).size > 1


def test_the_space_of_ean_is_each_block_with_or_without_it() -> None:
    ean = space(preset="ean", backbone="resnet14")
    assert ean.size == 2**6
    assert {slot.name for slot in ean.slots} == {
        f"layer{stage}.{block}.bn2" for stage in (1, 2, 3) for block in (0, 1)
    }


@pytest.mark.parametrize("most", [None, 2])
@pytest.mark.parametrize("hyperparameters", ["fixed", "module", "stage", "site"])
@pytest.mark.parametrize("granularity", ["block", "stage"])
def test_a_small_space_can_be_gone_through(
    granularity: str, hyperparameters: str, most: int | None
) -> None:
    """Each placement comes once, all of them do, and each is of the space."""
    values = {"granularity": granularity, "hyperparameters": hyperparameters, "most": most}
    values |= {"backbone": "resnet8", "modules": ("se", "eca"), "kinds": ("branch",)}
    settings = SpaceSettings(**values, stages=(1, 3))  # type: ignore[arg-type]
    space = Space(settings, 16)
    there = list(space)
    assert len({placement.key for placement in there}) == len(there) == space.size
    assert there == list(space) and there[0] == space.base
    assert all(space.parameters(placement) is not None for placement in there)
    assert {sample(space, seed) for seed in range(100)} <= {*there}


def test_so_can_one_of_several_backbones_widths_and_sizes() -> None:
    space = Space(
        SpaceSettings(
            backbone="resnet8",
            backbones=("resnet14",),
            widths=(0.5, 1.0),
            image_sizes=(8, 16),
            modules=("simam",),
            kinds=("branch",),
            stages=(1,),
        ),
        16,
    )
    there = list(space)
    assert len({*there}) == len(there) == space.size
    assert {placement.base for placement in there} == {*space.bases}


def sample(space: Space, seed: int) -> Placement:
    return space.sample(Random(seed))
