"""Samplers by name: what there is, and what is said of the rest before a search begins."""

from functools import partial
from importlib import util
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIISampler, TPESampler

from foveate.errors import BadValue, UserError
from foveate.search import samplers
from foveate.search.asking import Asking
from foveate.search.nsga2 import NSGA2, population_for
from foveate.search.proposer import Proposer
from foveate.search.spec import Sampler, SearchSpec
from foveate.search.tpe import TPE
from foveate.search.trials import Seen, Trials
from foveate.spaces import Space, SpaceSettings

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{ExperimentalWarning.__module__}.ExperimentalWarning"
)

OWN = """
import optuna
class Last(optuna.samplers.RandomSampler):
    def __init__(self, offset: int = 1, seed: int | None = None):
        super().__init__(seed)
        self.offset = offset
    def sample_independent(self, study, trial, name, distribution):
        return distribution.choices[-self.offset]
class Seedless(optuna.samplers.RandomSampler):
    def __init__(self):
        super().__init__(0)
class Noter(Last):
    def before_trial(self, study, trial):
        count = study._storage.get_study_system_attrs(0).get("asked", 0)
        study._storage.set_study_system_attr(0, "asked", count + 1)
        study._storage.set_trial_system_attr(trial._trial_id, "mine", trial.number)
class Elsewhere(Last):
    def sample_independent(self, study, trial, name, distribution):
        return "elsewhere"
class Recorder(Last):
    def before_trial(self, study, trial):
        study.tell(0, [1.0, 2.0])
class NoSampler:
    pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of the user's."""
    (tmp_path / "my_samplers.py").write_text(OWN)
    (tmp_path / "broken_samplers.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    return "my_samplers"


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        (
            "tpee",
            {},
            "no sampler 'tpee'; did you mean 'tpe'? there are: gp, grid, nsga2, random, t",
        ),
        (
            "tpe",
            {"multivariat": True},
            "no option of tpe 'multivariat'; did you mean 'multivariate'",
        ),
        (
            "tpe",
            {"seed": 3},
            "sampler.options may not set seed: it follows from that of the search",
        ),
        (
            "tpe",
            {"n_startup_trials": "few"},
            "sampler 'tpe' cannot propose for 2 objectives with the options {'n_startup_t",
        ),
        (
            "tpe",
            {"n_ei_candidates": 0},
            "sampler 'tpe' cannot propose for 2 objectives with the options {'n_ei_cand",
        ),
        (
            "tpe",
            {"group": True, "multivariate": False},
            "sampler 'tpe' cannot propose for 2 objectives with the opt",
        ),
        (
            "nsga2",
            {"population_size": 1},
            "sampler 'nsga2' cannot propose for 2 objectives with the options {'pop",
        ),
        (
            "nsga2",
            {"mutation_prob": 2},
            "sampler 'nsga2' cannot propose for 2 objectives with the options {'mutat",
        ),
        (
            "nsga2",
            {"crossover": "sbx"},
            "no option of nsga2 'crossover'; did you mean 'crossover_p",
        ),
        ("grid", {"order": 1}, "no option of grid 'order'; there are none"),
        ("optuna.samplers:TPE", {}, "there is no sampler 'optuna.samplers:TPE': module 'optuna.sa"),
        (
            "optuna.sampler:X",
            {},
            "there is no sampler 'optuna.sampler:X': No module named 'optuna.",
        ),
        (":X", {}, "there is no sampler ':X': Empty module name"),
        ("broken_samplers:X", {}, "there is no sampler 'broken_samplers:X': division by zero"),
        ("my_samplers:NoSampler", {}, "'my_samplers:NoSampler' is no sampler of Optuna's, which"),
        (
            "my_samplers:Last",
            {"ofset": 1},
            "no option of my_samplers:Last 'ofset'; did you mean 'o",
        ),
        (
            "my_samplers:Last",
            {"offset": 9},
            "sampler 'my_samplers:Last' cannot propose for 2 objectives with the op",
        ),
        (
            "my_samplers:Elsewhere",
            {},
            "sampler 'my_samplers:Elsewhere' cannot propose for 2 objectives: it proposes",
        ),
        (
            "my_samplers:Recorder",
            {},
            "sampler 'my_samplers:Recorder' cannot propose for 2 objectives: ",
        ),
        ("optuna.samplers:GridSampler", {}, "sampler 'optuna.samplers:GridSampler' cannot propose"),
    ],
)
def test_a_mistake_is_one_sentence(
    own: str, name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError) as caught:
        SearchSpec.of({"sampler": {"name": name, "options": options}})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_without_scipy_there_is_no_gp(monkeypatch: pytest.MonkeyPatch) -> None:
    there = util.find_spec
    monkeypatch.setattr(
        samplers, "find_spec", lambda name: None if name == "scipy" else there(name)
    )
    with pytest.raises(BadValue, match=r"sampler\.name is 'gp', which needs SciPy: pip install"):
        Sampler(name="gp")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tpe", {"multivariate": True, "group": True, "n_ei_candidates": 12}),
        ("tpe", {"constant_liar": False}),
        ("nsga2", {"population_size": 8, "mutation_prob": 0.3}),
        ("random", {}),
        ("grid", {}),
        ("optuna.samplers:QMCSampler", {"scramble": True}),
        ("optuna.samplers:BruteForceSampler", {}),
        ("my_samplers:Last", {"offset": 2}),
        ("my_samplers:Seedless", {}),
    ],
)
def test_a_spec_says_a_sampler_and_its_options(
    own: str, name: str, options: dict[str, Any]
) -> None:
    spec = SearchSpec.of({"sampler": {"name": name, "options": options}})
    assert (spec.sampler.name, spec.sampler.options) == (name, options)
    assert SearchSpec.of(spec.to_dict()) == spec
    space = Space(SpaceSettings(backbone="resnet8", modules=("se",)), 16)
    proposer = Proposer(space, spec.sampler, 0, 100, gflops=lambda placement: 1.0)
    assert proposer.propose(20) is not None


def test_which_classes_propose() -> None:
    trials, single = Trials({"here": ("none", "se")}, 2), Trials({"here": ("none", "se")}, 1)
    assert type(samplers.maker("tpe", {}, trials, 100)(0)) is TPE
    assert type(samplers.maker("tpe", {"n_ei_candidates": 3}, trials, 100)(0)) is TPE
    assert type(samplers.maker("tpe", {"multivariate": True}, trials, 100)(0)) is TPESampler
    assert type(samplers.maker("tpe", {}, single, 100)(0)) is TPESampler  # which is multivariate
    nsga2 = samplers.maker("nsga2", {}, trials, 120)(0)
    assert isinstance(nsga2, NSGA2) and nsga2.population_size == population_for(120) == 20
    assert [population_for(trials) for trials in (1, 30, 60, 200, 10_000)] == [8, 10, 20, 20, 50]


def test_options_reach_a_sampler_of_ones_own(own: str) -> None:
    space = Space(SpaceSettings(backbone="resnet8", modules=("se", "eca")), 16)
    found = []
    for offset in (1, 2):
        settings = Sampler(name=f"{own}:Last", options={"offset": offset}, startup=0)
        proposal = Proposer(space, settings, 0, 10, gflops=lambda placement: 1.0).propose(0)
        assert proposal is not None
        found.append(proposal.placement.names)
    assert found == [["se"], ["eca"]]


def test_what_a_sampler_notes_comes_back_with_the_trial(own: str) -> None:
    space = Space(SpaceSettings(backbone="resnet8", modules=("se", "eca")), 16)
    settings = Sampler(name=f"{own}:Noter", startup=0)
    seen: list[Seen] = []
    for number in range(4):
        proposer = Proposer(space, settings, 0, 10, gflops=lambda placement: 1.0)
        proposer.update(seen)
        proposal = proposer.propose(number)
        assert proposal is not None
        assert proposal.attributes == {"trial": {"mine": number}, "study": {"asked": number + 1}}
        key, chosen = proposal.placement.key, proposal.chosen
        seen.append(Seen(number, "running", key, chosen, None, (), proposal.attributes))


# ------------------------------------------------------------------------------------- NSGA-II


def population(count: int, constrained: bool = False) -> Trials:
    trials = Trials(
        {"a": ("x", "y"), "b": (1, 2, 3), "c": (True, False)}, 2, noted=samplers.noted("nsga2")
    )
    for n in range(count):
        chosen = {"a": "xy"[n % 2], "b": 1 + n % 3} | ({"c": n % 4 == 0} if n % 2 else {})
        limits = (-1.0,) if constrained else ()
        trials.update([Seen(n, "complete", str(n), chosen, (n / count, n % 5 + 1.0), limits)])
    return trials


def child(sampler: NSGAIISampler, trials: Trials) -> tuple[dict[str, Any], Asking]:
    asking = Asking(sampler, trials, 1000)
    return dict(asking._together), asking


@pytest.mark.parametrize("constrained", [False, True])
def test_without_mutation_a_child_has_all_from_its_parents(constrained: bool) -> None:
    trials = population(40, constrained)
    for seed in range(20):
        sampler = NSGA2(seed=seed, population_size=10, mutation_prob=0.0)
        chosen, asking = child(sampler, trials)
        parents = [trials[number].chosen or {} for number in sampler.parents]
        assert asking.storage.notes["trial"] == {"NSGA2:generation": 1}
        assert len(asking.storage.notes["study"]["NSGA2:parent:1"]) == 10
        assert {*chosen} == {name for parent in parents for name in parent}
        assert all(any(p.get(k) == v for p in parents) for k, v in chosen.items())


def test_without_crossover_there_is_one_parent() -> None:
    trials = population(40)
    sampler = NSGA2(seed=0, population_size=10, mutation_prob=0.0, crossover_prob=0.0)
    chosen, _ = child(sampler, trials)
    (parent,) = sampler.parents
    assert chosen == trials[parent].chosen


def test_what_mutates_is_drawn_anew() -> None:
    chosen, _ = child(NSGA2(seed=0, population_size=10, mutation_prob=1.0), population(40))
    assert chosen == {}


def test_the_best_are_the_parents() -> None:
    """The elite of a generation is what Optuna's own NSGA-II selects."""
    trials = population(40)
    ours = NSGA2(seed=0, population_size=10)
    _, asking = child(ours, trials)
    elite = asking.storage.notes["study"]["NSGA2:parent:1"]
    plain = Trials(
        {"a": ("x", "y"), "b": (1, 2, 3), "c": (True, False)},
        2,
        noted={"NSGAIISampler:generation": 0},
    )
    plain.update(trials[number] for number in range(40))
    theirs = Asking(optuna.samplers.NSGAIISampler(seed=0, population_size=10), plain, 1000)
    assert elite == theirs.storage.notes["study"]["NSGAIISampler:parent:1"]
    assert {*ours.parents} <= {*elite}


def test_a_sampler_of_one_objective_is_none_of_two() -> None:
    space = Space(SpaceSettings(backbone="resnet8", modules=("se",)), 16)
    sampler = Sampler(name="optuna.samplers:CmaEsSampler")  # the spec may be of one
    made = partial(Proposer, space, sampler, 0, 100, gflops=lambda placement: 1.0)
    assert made(objectives=1).propose(20) is not None
    sentence = "sampler 'optuna.samplers:CmaEsSampler' cannot propose for 2 objectives: If the stu"
    with pytest.raises(BadValue, match=sentence):
        made(objectives=2)
