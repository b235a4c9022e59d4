"""What a study trains next: never twice the same, the same after a restart, feasible if it can."""

import itertools
import json
from collections.abc import Callable, Iterator
from random import Random
from time import perf_counter
from tracemalloc import get_traced_memory
from tracemalloc import start as start_tracing
from tracemalloc import stop as stop_tracing
from typing import Any

import optuna
import pytest

from foveate.errors import BadValue
from foveate.search.asking import Replica
from foveate.search.proposer import IN_A_ROW, Proposal, Proposer
from foveate.search.spec import Sampler
from foveate.search.trials import Seen, Trials
from foveate.spaces import Placement, Space, SpaceSettings

optuna.logging.set_verbosity(optuna.logging.WARNING)

Violations = Callable[[Placement], tuple[float, ...]]


@pytest.fixture(scope="module")
def wide() -> Space:
    """Sixteen sites, seven choices at most at each."""
    return Space(SpaceSettings(backbone="resnet34", kinds=("branch",)), 32)


@pytest.fixture(scope="module")
def small() -> Space:
    """Three sites, one module of four settings: 28 placements."""
    return Space(SpaceSettings(backbone="resnet8", modules=("se",)), 16)


def price(placement: Placement) -> float:
    """A stand-in for GFLOPs."""
    return 1.0 + sum(0.01 + int(m.name.encode().hex(), 16) % 7 / 200 for m in placement.modules)


def outcome(placement: Placement, sign: int = 1) -> tuple[float, float]:
    luck = int(placement.key, 16) / 16**16
    worth = sum(len(m.site) % 3 + (m.name == "se") for m in placement.modules)
    return 0.5 + sign * (0.01 * worth + 0.003 * luck), price(placement)


class Search:
    """A search whose trainings end in turn; what it told the proposer can be told to another."""

    def __init__(
        self, space: Space, sampler: Sampler, at_once: int = 1, sign: int = 1, **about: Any
    ) -> None:
        self.space, self.sampler, self.at_once, self.about = space, sampler, at_once, about
        self.sign = sign  # of what modules are worth
        self.trials: list[Seen] = []
        self.placements: list[Placement] = []
        self.running: list[int] = []
        self.proposer = self.new_proposer()

    def new_proposer(self) -> Proposer:
        return Proposer(self.space, self.sampler, 7, 100, gflops=price, **self.about)

    def resume(self) -> None:
        """All from what a database would have kept, in another order."""
        self.proposer = self.new_proposer()
        kept = [
            one._replace(attributes=json.loads(json.dumps(one.attributes))) for one in self.trials
        ]
        Random(1).shuffle(kept)
        self.proposer.update(kept)

    def step(self) -> Proposal | None:
        number = len(self.trials)
        proposal = self.proposer.propose(number)
        if proposal is None:
            return None
        state = "running" if proposal.feasible else "infeasible"
        self._tell(
            Seen(
                number,
                state,
                proposal.placement.key,
                proposal.chosen,
                None,
                proposal.violations,
                proposal.attributes,
            )
        )
        self.placements.append(proposal.placement)
        if proposal.feasible:
            self.running.append(number)
        while len(self.running) >= self.at_once:
            self._end(self.running.pop(0))
        return proposal

    def steps(self, count: int) -> list[Placement]:
        found = (self.step() for _ in range(count))
        return [proposal.placement for proposal in found if proposal is not None]

    def _end(self, number: int) -> None:
        luck = int(self.trials[number].key[:4], 16)
        state = "failed" if luck % 17 == 0 else "stopped" if luck % 3 == 0 else "complete"
        values = None if state == "failed" else outcome(self.placements[number], self.sign)
        self._tell(self.trials[number]._replace(state=state, values=values))

    def _tell(self, seen: Seen) -> None:
        self.trials[seen.number : seen.number + 1] = [seen]
        self.proposer.update([seen])


EVERY = [
    pytest.param({"name": "tpe"}, 400, id="tpe"),
    pytest.param({"name": "tpe", "options": {"multivariate": True}}, 120, id="multivariate"),
    pytest.param({"name": "tpe", "gaps": 0.5}, 150, id="gaps"),
    pytest.param({"name": "nsga2"}, 400, id="nsga2"),
    pytest.param({"name": "random"}, 400, id="random"),
    pytest.param(
        {"name": "optuna.samplers:NSGAIIISampler", "options": {"population_size": 8}},
        150,
        id="path",
    ),
    pytest.param({"name": "gp"}, 24, id="gp", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("settings", "count"), EVERY)
def test_no_sampler_proposes_anything_twice(
    wide: Space, settings: dict[str, Any], count: int
) -> None:
    search = Search(wide, Sampler(**settings), at_once=4)
    found = search.steps(count)
    assert len({placement.key for placement in found}) == count
    assert all(
        wide.parameters(one) == t.chosen for one, t in zip(found, search.trials, strict=True)
    )


def test_tpe_alone_would_repeat_itself(wide: Space) -> None:
    """What the test above is for: a tenth of its proposals would be known ones."""
    search = Search(wide, Sampler(), at_once=4)
    repeats = 0
    for number in range(250):
        idea = search.proposer._asked(number, 0)
        repeats += number >= 50 and not search.proposer._is_new(idea)
        search.step()
    assert repeats > 15


@pytest.mark.parametrize(("settings", "count"), EVERY)
def test_a_search_goes_on_after_a_restart_as_if_there_had_been_none(
    wide: Space, settings: dict[str, Any], count: int
) -> None:
    count = min(count, 60)
    straight = Search(wide, Sampler(**settings), at_once=3)
    resumed = Search(wide, Sampler(**settings), at_once=3)
    expected = straight.steps(count)
    resumed.steps(20)
    while len(resumed.trials) < count:
        resumed.resume()
        resumed.steps(1 + len(resumed.trials) % 5)
    assert resumed.placements[:count] == expected
    assert [one.attributes for one in resumed.trials[:count]] == [
        one.attributes for one in straight.trials[:count]
    ]


@pytest.mark.parametrize(("settings", "count"), EVERY)
def test_samplers_learn(wide: Space, settings: dict[str, Any], count: int) -> None:
    """Other accuracies lead to other proposals, except for a sampler that does not look."""
    here, there = (Search(wide, Sampler(**settings, startup=12), sign=sign) for sign in (1, -1))
    assert here.steps(12) == there.steps(12)
    count = min(count, 40) - 12
    assert (here.steps(count) == there.steps(count)) == (settings["name"] == "random")


def test_the_same_is_proposed_until_the_study_has_it(wide: Space) -> None:
    search = Search(wide, Sampler(), at_once=2)
    search.steps(30)
    first = search.proposer.propose(30)
    assert first is not None and search.proposer.propose(30) == first
    assert search.step() == first
    assert search.proposer.propose(31) != first


def test_seeds_and_numbers_lead_to_different_proposals(wide: Space) -> None:
    one, other = (Proposer(wide, Sampler(), seed, 100, gflops=price).propose(0) for seed in (0, 1))
    assert one is not None and other is not None and one.placement != other.placement
    next_one = Proposer(wide, Sampler(), 0, 100, gflops=price).propose(1)
    assert next_one is not None and next_one.placement != one.placement


def test_before_startup_costs_are_spread_over_their_whole_range(wide: Space) -> None:
    search = Search(wide, Sampler(startup=40))
    modules = [len(placement.modules) for placement in search.steps(40)]
    assert min(modules) <= 2 and max(modules) >= 14
    assert not any(one.attributes for one in search.trials)


# ------------------------------------------------------------------------------- small spaces


@pytest.mark.parametrize("name", ["tpe", "nsga2", "random", "grid"])
def test_a_small_space_is_proposed_to_the_last_placement(small: Space, name: str) -> None:
    search = Search(small, Sampler(name=name, startup=3), at_once=3)
    found = search.steps(small.size)
    assert {one.key for one in found} == {one.key for one in small} and len(found) == small.size
    assert not search.proposer.exhausted
    assert search.step() is None and search.proposer.exhausted
    search.resume()
    assert search.step() is None and search.proposer.exhausted


def test_a_grid_goes_in_the_order_of_the_space(small: Space) -> None:
    search = Search(small, Sampler(name="grid"), at_once=4)
    assert search.steps(10) == list(itertools.islice(small, 10))
    search.resume()
    assert search.steps(100) == list(small)[10:]


def test_a_grid_is_refused_where_nobody_could_go_through_it(wide: Space) -> None:
    sentence = (
        "sampler.name is 'grid', which goes through at most 10,000 placements, "
        r"and the space has 2\.7e\+18"
    )
    with pytest.raises(BadValue, match=sentence):
        Proposer(wide, Sampler(name="grid"), 0, 100, gflops=price)


# ------------------------------------------------------------------------- several objectives


@pytest.mark.parametrize("name", ["tpe", "nsga2", "random"])
@pytest.mark.parametrize("objectives", [1, 3])
def test_other_numbers_of_objectives(wide: Space, name: str, objectives: int) -> None:
    search = Search(wide, Sampler(name=name), objectives=objectives)
    for one in range(60):
        proposal = search.proposer.propose(one)
        assert proposal is not None
        accuracy, cost = outcome(proposal.placement)
        values = (accuracy, cost, float(len(proposal.placement.modules)))[:objectives]
        key, chosen = proposal.placement.key, proposal.chosen
        seen = Seen(one, "complete", key, chosen, values, (), proposal.attributes)
        search.proposer.update([seen])
    assert len(search.proposer._trials.known) == 60


def test_what_cannot_be_is_said_at_once(wide: Space) -> None:
    with pytest.raises(
        BadValue, match=r"sampler\.gaps is about a front, which takes two objectives"
    ):
        Proposer(wide, Sampler(gaps=0.5), 0, 100, objectives=1, gflops=price)


# ---------------------------------------------------------------------------------- parents


def test_children_know_their_parents_and_take_after_them(wide: Space) -> None:
    search = Search(wide, Sampler(name="nsga2", startup=14), at_once=2)
    inherited = others = 0
    for _ in range(100):
        proposal = search.step()
        assert proposal is not None
        for parent in proposal.parents:
            before = search.trials[parent].chosen or {}
            inherited += sum(before.get(k) == v for k, v in proposal.chosen.items())
            other = search.trials[(parent + 7) % len(search.trials)].chosen or {}
            others += sum(other.get(k) == v for k, v in proposal.chosen.items())
    generations = [one.attributes.get("trial", {}).get("NSGA2:generation") for one in search.trials]
    assert generations[:14] == [None] * 14  # drawn at random: they are the first generation
    assert max(filter(None, generations)) >= 3
    known = [g for g in generations if g is not None]
    assert all(abs(a - b) <= 1 for a, b in itertools.pairwise(known))
    assert inherited > 1.2 * others


# ------------------------------------------------------------------------------- constraints


def at_most(modules: int) -> Violations:
    return lambda placement: (float(len(placement.modules) - modules), -1.0)


@pytest.mark.parametrize("name", ["tpe", "nsga2", "random"])
def test_the_study_is_told_of_a_few_infeasible_ones_then_of_a_repaired_one(
    wide: Space, name: str
) -> None:
    search = Search(wide, Sampler(name=name), at_once=3, violations=at_most(3))
    found = search.steps(80)
    states = ["infeasible" if one.state == "infeasible" else "" for one in search.trials]
    runs = [len(list(group)) for state, group in itertools.groupby(states) if state]
    assert max(runs) <= IN_A_ROW and 5 < states.count("") < 80
    for one, placement in zip(search.trials, found, strict=True):
        assert (one.state == "infeasible") == (len(placement.modules) > 3)
        assert one.violations == at_most(3)(placement)
    assert len({one.key for one in found}) == 80


def test_a_repaired_one_has_fewer_of_the_same_modules(wide: Space) -> None:
    search = Search(wide, Sampler(), violations=at_most(5))
    search.steps(30)
    search.trials = [one._replace(state="infeasible") for one in search.trials]
    free = Search(wide, Sampler())
    free.trials = search.trials
    for one in (search, free):
        one.resume()
    repaired, plain = (one.proposer.propose(30) for one in (search, free))
    assert repaired is not None and plain is not None
    assert repaired.feasible and len(plain.placement.modules) > 5
    assert {*repaired.placement.modules} < {*plain.placement.modules}


def test_what_nothing_can_repair_is_told_to_the_study(small: Space) -> None:
    search = Search(small, Sampler(), violations=lambda placement: (1.0,))
    assert len(search.steps(12)) == 12
    assert {one.state for one in search.trials} == {"infeasible"}


def test_samplers_hear_of_constraints(wide: Space) -> None:
    """TPE leaves the modules behind that made trials infeasible."""

    def without_cram(placement: Placement) -> tuple[float, ...]:
        return (float("cram" in placement.names) - 0.5,)

    search = Search(wide, Sampler(), violations=without_cram)
    search.steps(150)
    infeasible = [one.state == "infeasible" for one in search.trials]
    assert sum(infeasible[100:]) < 0.6 * sum(infeasible[:50])


# -------------------------------------------------------------------------------------- gaps


def test_gaps_of_the_front_are_filled(wide: Space) -> None:
    """Of several proposals the one is taken whose cost lies in the widest gap."""
    ends = [Placement("resnet34"), wide.baselines()["everywhere:se"]]
    cheap, dear = map(price, ends)
    within = []
    for gaps in (0.0, 1.0):
        search = Search(wide, Sampler(gaps=gaps, startup=0))
        search.trials = [
            Seen(n, "complete", one.key, wide.parameters(one), (0.5 + 0.1 * n, price(one)))
            for n, one in enumerate(ends)
        ]
        search.resume()
        found = [search.proposer.propose(number) for number in range(2, 42)]
        within.append(sum(cheap < price(one.placement) < dear for one in found if one))
    assert within[0] < 20 and within[1] > 30


def test_without_gaps_proposals_are_the_samplers_own(wide: Space) -> None:
    asked = Search(wide, Sampler(gaps=0.0))
    asked.steps(40)
    proposal = asked.proposer.propose(40)
    ideas = (asked.proposer._asked(40, attempt) for attempt in range(25))
    known = asked.proposer._trials.known
    first = next(idea for idea in ideas if idea.placement.key not in known)
    assert proposal is not None and proposal.placement == first.placement


# ------------------------------------------------------------------------------------- trials


def many(space: Space, count: int) -> Iterator[Seen]:
    rng = Random(0)
    chosen = [space.parameters(space.sample(rng)) for _ in range(300)]
    for number in range(count):
        state = rng.choice(["complete", "stopped"])
        values = (rng.random(), rng.random())
        yield Seen(number, state, f"{number:016x}", dict(rng.choice(chosen) or {}), values)


def test_ten_thousand_trials_are_loaded_at_once(wide: Space) -> None:
    trials = list(many(wide, 10_000))
    proposer = Proposer(wide, Sampler(), 0, 20_000, gflops=price)
    start_tracing()
    proposer.update(trials)
    grown, _ = get_traced_memory()
    stop_tracing()
    assert grown < 20e6
    again = Proposer(wide, Sampler(), 0, 20_000, gflops=price)
    began = perf_counter()
    again.update(trials)
    assert perf_counter() - began < 1  # 0.05 s if nothing else runs
    assert again.propose(10_000) == proposer.propose(10_000)


def test_a_storage_shows_trials_as_samplers_are_to_see_them() -> None:
    trials = Trials({"here": ("none", "se")}, 2, noted={"generation": 0})
    chosen, values = {"here": "se"}, (0.5, 1.0)
    states = ["waiting", "running", "complete", "stopped", "failed", "infeasible"]
    trials.update(
        Seen(
            number,
            state,
            str(number),
            dict(chosen),
            values if state in ("complete", "stopped") else None,
            (1.5, -1.0) if state == "infeasible" else (),
            {"trial": {"generation": 4}, "study": {"parents": number}} if number == 2 else {},
        )
        for number, state in reversed([*enumerate(states)])
    )
    trials.update([Seen(6, "complete", "6", None, values), Seen(7, "stopped", "7", chosen, None)])
    trials.update([Seen(8, "complete", "8", chosen, (float("nan"), 1.0))])
    replica = Replica(trials, 9)
    study = optuna.Study("study", replica)
    shown = study.get_trials()
    assert shown.pop() == replica.asked
    assert [one.number for one in shown] == list(range(9))
    assert [one.state.name for one in shown] == [
        *("WAITING", "RUNNING", "COMPLETE", "COMPLETE", "FAIL", "PRUNED"),
        "FAIL",  # outside of the space
        "PRUNED",  # stopped before anything could be expected
        "FAIL",  # no number
    ]
    assert [one.values for one in shown if one.state.name == "COMPLETE"] == [[0.5, 1.0]] * 2
    assert shown[5].constraints == {"0": 1.5, "1": -1.0}
    assert [one.system_attrs["generation"] for one in shown[:4]] == [0, 0, 4, 0]
    assert replica.get_study_system_attrs(0) == {"parents": 2}
    assert [one.number for one in study.best_trials] == [2, 3]
    with pytest.raises(RuntimeError, match="a sampler proposes; trials are recorded elsewhere"):
        study.ask()


def test_the_front_is_of_what_was_trained_to_the_end() -> None:
    trials = Trials({"here": ("none", "se")}, 2)
    states = ["complete", "stopped", "complete", "complete", "complete", "running"]
    points = [(0.5, 1.0), (0.9, 0.5), (0.6, 2.0), (0.55, 2.5), (0.9, 3.0), None]
    limits = [(), (), (), (), (1.0,), ()]
    for number, (state, point, limit) in enumerate(zip(states, points, limits, strict=True)):
        trials.update([Seen(number, state, str(number), {"here": "se"}, point, limit)])
    assert trials.front() == [0, 2]
