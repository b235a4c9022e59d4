from collections.abc import Callable
from datetime import timedelta
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from foveate.search import health, store
from foveate.search.health import Finding
from foveate.search.records import Epoch, Study, Trial, now

Add = Callable[..., int]
Drive = Callable[..., int]
Look = Callable[[str], list[Finding]]
SE, ECA = "layer1.0.bn2=se", "layer2.0.bn2=eca"


@pytest.fixture
def look(engine: Engine, study: Study) -> Look:
    """The findings whose sentence has a word."""

    def look(word: str) -> list[Finding]:
        with Session(engine) as session:
            found = health.findings(session, store.find_study(session, "tiny"))
        assert [one.level for one in found] == sorted(
            (one.level for one in found), key=("act", "look", "ok").index
        )
        return [one for one in found if word in one.what]

    return look


def placements() -> Any:
    """Placements, one after the other."""
    slots = ("layer1.0.bn2", "layer2.0.bn2", "layer3.0.bn2")
    for count in (1, 2, 3):
        for places in combinations(slots, count):
            for names in product(("se", "eca"), repeat=count):
                yield [f"{p}={n}" for p, n in zip(places, names, strict=True)]


# ------------------------------------------------------------------------------------- who is there


def test_a_new_study_waits_for_somebody(look: Look) -> None:
    (one,) = look("")
    assert one.level == "look" and one.advice == "foveate search goes on with it"
    assert one.what == ("nobody searches: 0 trials waiting, 10 of 10 to be proposed or trained")


def test_who_searches_is_named(look: Look, drive: Drive) -> None:
    drive()
    (one,) = look("searched by")
    assert (one.level, one.what) == ("ok", "searched by process 4000 on here")


def test_proposals_that_were_made_before_are_counted(look: Look, engine: Engine) -> None:
    assert look("had been made before") == []
    with Session(engine) as session, session.begin():
        store.locked(session, store.find_study(session, "tiny").id).repeats = 3
    (one,) = look("had been made before")
    assert one.what == "3 proposals had been made before, and trained no second time"
    assert (one.level, one.figures) == ("ok", {"repeats": 3})


def test_a_finished_study_needs_nobody(
    look: Look, add: Add, engine: Engine, new_study: Any
) -> None:
    for texts, _ in zip(placements(), range(10), strict=False):
        add(0.5, *texts)
    assert [one.level for one in look("all 10 trials have ended")] == ["ok"]


def test_a_driver_that_died_with_trials_is_to_be_replaced(
    look: Look, drive: Drive, add: Add
) -> None:
    dead = drive(silent=600)
    add(0.5, SE, state="running", driver=dead)
    add(0.5, ECA, state="running", driver=dead)
    (one,) = look("no sign of life")
    assert one.level == "act" and one.what.endswith("for 10.0 min; trials 0, 1 wait for it")
    assert one.figures["trials"] == [0, 1]


def test_a_trial_without_an_epoch_for_long_hangs(
    look: Look, drive: Drive, add: Add, engine: Engine
) -> None:
    driver = drive()
    add(0.5, 0.6)
    quick = add(0.5, SE, state="running", driver=driver)
    (one,) = look("none hangs")
    assert one.level == "ok" and one.figures["usual_seconds"] == 1.5
    stuck = add(0.5, ECA, state="running", driver=driver)
    old = now() - timedelta(seconds=health.LEAST + 5)
    with Session(engine) as session, session.begin():
        for table in (Epoch, Trial):
            mine = Epoch.trial_id if table is Epoch else Trial.id
            at = {"at": old} if table is Epoch else {"started": old}
            session.execute(update(table).where(mine == stuck + 1).values(at))
    (one,) = look("finished no epoch")
    assert one.level == "act" and [*one.figures["quiet_seconds"]] == [stuck] != [quick]


# -------------------------------------------------------------------------------------- how it goes


def test_failures_are_counted_and_their_reasons_grouped(look: Look, add: Add) -> None:
    ways = placements()
    for number in range(3):
        reason = f"CUDA out of memory at epoch {number}\nmore"
        add(*next(ways), state="failed", reason=reason)
    add(*next(ways), state="failed", reason="NaN")
    add(0.5, *next(ways))
    (one,) = look("failed")
    assert one.level == "act" and one.what.startswith("4 of 5 trials failed (80%). 3 of them: CUDA")
    assert one.figures["reasons"] == {"CUDA out of memory at epoch 0": 3, "NaN": 1}


def test_few_failures_are_to_be_looked_at_and_none_is_well(look: Look, add: Add) -> None:
    ways = placements()
    add(0.5, *next(ways))
    assert [(one.level, one.what) for one in look("failed")] == [("ok", "none of 1 trial failed")]
    add(*next(ways), state="failed", reason=None)
    for _ in range(11):
        add(0.5, *next(ways))
    (one,) = look("failed")
    assert one.level == "look" and "nobody knows why" in one.what


def test_a_front_that_stands_still_is_said(look: Look, add: Add) -> None:
    ways = placements()
    add(0.7, origin="bare")
    for _ in range(health.FLAT - 1):
        add(0.6, *next(ways), extra=0.1)
    assert [one.level for one in look("hypervolume")] == ["ok"]
    add(0.7005, *next(ways), extra=0.1)  # less than a gain
    (one,) = look("hypervolume")
    assert one.level == "look" and one.figures["flat"] == health.FLAT
    assert "has not grown for 20 of 21 fully trained trials" in one.what
    add(0.9, *next(ways), extra=0.1)
    assert look("hypervolume")[0].figures["flat"] == 0


def test_what_stopping_saved_is_the_epochs_that_were_not_trained(look: Look, add: Add) -> None:
    assert look("stopping") == []
    add(0.5, 0.6, 0.7, 0.8)
    add(0.4, SE, state="stopped")
    add(0.4, 0.5, ECA, state="stopped")
    (one,) = look("stopping")
    # of 4 epochs each: 3 and 2; 7 were trained, of 1.5 seconds each
    assert one.figures == {
        "stopped": 2,
        "epochs": 5,
        "share": pytest.approx(5 / 12),
        "hours": pytest.approx(5 * 1.5 / 3600),
    }
    assert one.what == (
        "stopping 2 trials early saved 5 epochs, 42% of all, about 7.5 s of training"
    )


def test_noise_is_that_of_repeats_where_there_are_some(look: Look, add: Add) -> None:
    add(0.60, origin="bare")
    add(0.70, SE, extra=0.1)
    add(0.74, SE, seed=1, extra=0.1)
    (one,) = look("by luck")
    assert one.figures["measured"] and one.figures["noise"] == pytest.approx(
        float(np.std([0.70, 0.74], ddof=1))
    )
    assert one.level == "ok" and one.figures["spacing"] == pytest.approx(0.14)
    add(0.61, ECA, extra=0.05)
    assert look("by luck")[0].level == "ok"  # 0.01 and 0.13: their median is more
    add(0.62, "layer3.0.bn2=eca", extra=0.06)
    (one,) = look("by luck")
    assert one.level == "look" and "train the front's members again" in one.advice


def test_without_repeats_noise_is_the_wiggle_of_late_epochs(look: Look, add: Add) -> None:
    rng = np.random.default_rng(0)
    for texts, extra in ((SE, 0.1), (ECA, 0.2), ("layer3.0.bn2=se", 0.3)):
        rise = 0.5 + extra + 0.002 * np.arange(40) + 0.02 * rng.standard_normal(40)
        add(*map(float, np.clip(rise, 0, 1)), texts, extra=extra)
    (one,) = look("by luck")
    assert not one.figures["measured"] and 0.01 < one.figures["noise"] < 0.04
    assert "a guess from the last 5 epochs" in one.what


@pytest.mark.parametrize("slope", [0.0, 0.05])
def test_a_straight_curve_has_no_wiggle(slope: float) -> None:
    assert health.wiggle([0.3 + slope * n for n in range(5)]) == pytest.approx(0.0, abs=1e-12)


def test_wiggle_is_the_residual_standard_deviation() -> None:
    rng = np.random.default_rng(1)
    end = rng.random(5)
    _, (residual,), *_ = np.polyfit(range(5), end, 1, full=True)
    assert health.wiggle([*end]) == pytest.approx(float(np.sqrt(residual / 3)))


def test_the_end_is_projected_from_the_recent_pace(look: Look, add: Add, drive: Drive) -> None:
    ways = placements()
    assert look("left") == []
    drive(started=now() - timedelta(hours=2))
    add(0.5, *next(ways), hours_ago=30)  # of an earlier run
    for hours in (1.9, 1.5, 1.0, 0.5):
        add(0.5, *next(ways), hours_ago=hours)
    (one,) = look("left")
    assert one.figures["left"] == 5 and one.figures["per_hour"] == pytest.approx(2, rel=0.01)
    assert one.what == "5 of 10 trials are left: about 2.5 h at the pace of the last 4"
