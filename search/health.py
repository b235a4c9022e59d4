"""How a study is doing, in sentences that say what to do.

Each finding looks at one thing; what is fine is said, too. The thresholds stand here by name. It
reads tables and computes: no torch, no Ray, no Optuna.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from math import sqrt
from statistics import fmean, median, stdev
from typing import Any, Literal

from sqlalchemy.orm import Session

from . import store
from .records import ENDED, Driver, Study, now

__all__ = ["LATE", "LONG", "Finding", "findings", "first_line", "kind", "wiggle"]

SLOW = 10.0  # times as long as an epoch usually takes: it hangs
LEAST = 60.0  # seconds in which no epoch hangs
FAILING = 0.1  # share of failures from which on something has to be done
FLAT = 20  # fully trained trials without a gain of the hypervolume that are many
GAIN = 0.001  # relative: a smaller one is none
LATE = 5  # last epochs of a curve whose wiggle is noise
LONG = 4 * LATE  # epochs of a curve that is about flat in the last of them: of 12 it still bends
RECENT = 20  # trials whose pace is that of the rest
SHOWN = 3  # reasons of failures, the commonest


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a study."""

    level: Literal["ok", "look", "act"]
    what: str  # a sentence
    advice: str = ""  # what to do; nothing if all is well
    figures: dict[str, Any] = field(default_factory=dict)  # that the sentence was made of


@dataclass(frozen=True, slots=True)
class _Row:
    """A trial, as far as its health goes."""

    id: int
    number: int
    state: str
    key: str
    accuracy: float | None
    epochs: int
    seconds: float
    on_front: bool
    driver_id: int | None
    started: datetime | None
    ended: datetime | None
    reason: str | None
    failures: int


def findings(session: Session, study: Study) -> list[Finding]:
    """What there is to say of ``study``, what needs doing first."""
    rows = [_Row(*row) for row in store.trial_rows(session, study, [*_Row.__slots__])]
    drivers = store.drivers(session, study.id)
    alive = [one for one in drivers if abs(now() - one.beat) < store.LEASE]
    paces = [row.seconds / row.epochs for row in rows if row.epochs]
    usual = median(paces) if paces else None  # seconds of an epoch
    steps = store.step_rows(session, study, ("finished", "hypervolume"))
    found = [
        *_silent_drivers(rows, drivers, alive),
        *_hanging(rows, alive, store.latest_epochs(session, study), usual),
        *_nobody(rows, study, alive),
        *_failures(rows),
        *_flat(rows, steps),
        *_repeats(study),
        *_saved(rows, study),
        *_noise(session, rows),
        *_end(rows, study, alive),
    ]
    return sorted(found, key=lambda one: ("act", "look", "ok").index(one.level))


def first_line(reason: str | None) -> str:
    """Of why a trial failed: what is below is a traceback."""
    return (reason or "nobody knows why").strip().partition("\n")[0]


def kind(said: str) -> str:
    """What failures have in common, whatever the epoch, the process or the address."""
    return re.sub(r"\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{6,}\b|\d+(\.\d+)*", "…", said)


# ------------------------------------------------------------------------------------- who is there


def _silent_drivers(
    rows: Sequence[_Row], drivers: Sequence[Driver], alive: Sequence[Driver]
) -> Iterable[Finding]:
    for driver in drivers:
        if driver in alive:
            continue
        held = [row.number for row in rows if row.state == "running" and row.driver_id == driver.id]
        since = now() - driver.beat
        yield Finding(
            "act" if held else "look",
            f"process {driver.pid} on {driver.host} gave no sign of life for "
            f"{_long(since.total_seconds())}" + (f"; {_trials(held)} wait for it" if held else ""),
            "if that machine is gone, search again: another driver takes over what it left",
            {"driver": driver.uid, "seconds": since.total_seconds(), "trials": held},
        )


def _hanging(
    rows: Sequence[_Row],
    alive: Sequence[Driver],
    latest: dict[int, datetime],
    usual: float | None,
) -> Iterable[Finding]:
    ids = {driver.id for driver in alive}
    running = [row for row in rows if row.state == "running" and row.driver_id in ids]
    if not running or usual is None:
        return
    allowed = max(LEAST, SLOW * usual)
    quiet = {
        row.number: (now() - moment).total_seconds()
        for row in running
        if (moment := max(filter(None, (row.started, latest.get(row.number))), default=None))
    }
    hanging = {number: seconds for number, seconds in quiet.items() if seconds > allowed}
    figures = {"usual_seconds": usual, "quiet_seconds": hanging}
    if hanging:
        yield Finding(
            "act",
            f"{_trials([*hanging])} finished no epoch for {_long(max(hanging.values()))}; one "
            f"usually takes {_long(usual)}",
            "look at their workers; resources.stuck_after ends such trials by itself",
            figures,
        )
    else:
        what = f"{_count(len(running), 'trial')} being trained, none hangs"
        yield Finding("ok", what, "", figures)


def _nobody(rows: Sequence[_Row], study: Study, alive: Sequence[Driver]) -> Iterable[Finding]:
    waiting, left = sum(row.state == "waiting" for row in rows), _left(rows, study)
    figures = {"waiting": waiting, "left": left, "drivers": len(alive)}
    if alive:
        who = ", ".join(f"process {one.pid} on {one.host}" for one in alive)
        yield Finding("ok", f"searched by {who}", "", figures)
    elif waiting or left:
        yield Finding(
            "look",
            f"nobody searches: {_count(waiting, 'trial')} waiting, {left} of "
            f"{study.spec['trials']} to be proposed or trained",
            "foveate search goes on with it",
            figures,
        )
    else:
        yield Finding("ok", f"all {study.spec['trials']} trials have ended", "", figures)


# ------------------------------------------------------------------------------------ how it goes


def _failures(rows: Sequence[_Row]) -> Iterable[Finding]:
    ended = [row for row in rows if row.state in ENDED]
    failed = [row for row in ended if row.state == "failed"]
    again = sum(row.failures for row in rows)
    if not ended:
        return
    share = len(failed) / len(ended)
    figures: dict[str, Any] = {
        "failed": len(failed),
        "ended": len(ended),
        "share": share,
        "tried_again": again,
    }
    retried = f"; {_count(again, 'failure')} led to another attempt" if again else ""
    if not failed:
        yield Finding("ok", f"none of {_count(len(ended), 'trial')} failed{retried}", "", figures)
        return
    kinds: dict[str, list[str]] = {}
    for row in failed:
        said = first_line(row.reason)
        kinds.setdefault(kind(said), []).append(said)
    common = sorted(kinds.values(), key=len, reverse=True)[:SHOWN]
    reasons = {said[0]: len(said) for said in common}
    figures["reasons"] = reasons
    listed = "; ".join(f"{count} of them: {_short(said)}" for said, count in reasons.items())
    yield Finding(
        "act" if share >= FAILING else "look",
        f"{len(failed)} of {_count(len(ended), 'trial')} failed ({share:.0%}){retried}. {listed}",
        "mend the commonest first; failed trials are not tried again",
        figures,
    )


def _flat(rows: Sequence[_Row], steps: Sequence[Any]) -> Iterable[Finding]:
    done = sum(row.state == "complete" for row in rows)
    if not steps:
        return
    gaining, before = 0, 0.0
    for finished, hypervolume in steps:
        if hypervolume > before * (1 + GAIN):
            gaining, before = finished, hypervolume
    flat = done - gaining
    figures = {"hypervolume": steps[-1][1], "flat": flat, "complete": done}
    if flat >= FLAT:
        yield Finding(
            "look",
            f"the hypervolume has not grown for {flat} of {_count(done, 'fully trained trial')}",
            "more of the same gains little: end it, widen the space, or train longer",
            figures,
        )
    else:
        since = "with the last full training"
        if flat:
            since = f"{_count(flat, 'full training')} ago"
        what = f"the hypervolume is {steps[-1][1]:.4f} and grew {since}"
        yield Finding("ok", what, "", figures)


def _repeats(study: Study) -> Iterable[Finding]:
    if study.repeats:
        what = (
            f"{_count(study.repeats, 'proposal')} had been made before, and trained no second time"
        )
        yield Finding("ok", what, "", {"repeats": study.repeats})


def _saved(rows: Sequence[_Row], study: Study) -> Iterable[Finding]:
    stopped = [row for row in rows if row.state == "stopped"]
    whole = int(study.spec["recipe"]["epochs"])
    spared = [max(0, whole - row.epochs) for row in stopped]
    trained = sum(row.epochs for row in rows)
    if not stopped or not trained:
        return
    pace = sum(row.seconds for row in rows) / trained
    hours = sum(
        left * (row.seconds / row.epochs if row.epochs else pace)
        for left, row in zip(spared, stopped, strict=True)
    )
    hours /= 3600
    share = sum(spared) / (trained + sum(spared))
    yield Finding(
        "ok",
        f"stopping {_count(len(stopped), 'trial')} early saved {sum(spared):,} epochs, {share:.0%} "
        f"of all, about {_long(3600 * hours)} of training",
        "",
        {"stopped": len(stopped), "epochs": sum(spared), "share": share, "hours": hours},
    )


def _noise(session: Session, rows: Sequence[_Row]) -> Iterable[Finding]:
    """What luck does to an accuracy, beside what tells the front's members apart."""
    front = sorted(row.accuracy or 0.0 for row in rows if row.on_front)
    gaps = [high - low for low, high in pairwise(front) if high > low]
    complete = [row for row in rows if row.state == "complete" and row.accuracy is not None]
    if not gaps:
        return
    repeats: dict[str, list[float]] = {}
    for row in complete:
        repeats.setdefault(row.key, []).append(row.accuracy or 0.0)
    groups = [values for values in repeats.values() if len(values) > 1]
    if groups:
        freedom = sum(len(values) - 1 for values in groups)
        squares = sum(stdev(values) ** 2 * (len(values) - 1) for values in groups)
        noise, how = sqrt(squares / freedom), f"{_count(len(groups), 'placement')} trained again"
    else:
        long = [row.id for row in complete if row.on_front and row.epochs >= LONG]
        wiggles = [wiggle(end) for end in store.ends_of_some(session, long, LATE)] if long else []
        if not wiggles:
            return
        how = f"a guess from the last {LATE} epochs of the front's curves, no seed being repeated"
        noise = median(wiggles)
    spacing = median(gaps)
    figures = {"noise": noise, "spacing": spacing, "measured": bool(groups)}
    said = (
        f"by luck alone an accuracy differs by {100 * noise:.2f} points ({how}), and neighbours "
        f"on the front by {100 * spacing:.2f}"
    )
    if spacing < noise * sqrt(2):  # of the difference of two
        advice = "train the front's members again with other seeds before you choose among them"
        yield Finding("look", said, advice, figures)
    else:
        yield Finding("ok", said, "", figures)


def wiggle(end: Sequence[float]) -> float:
    """Standard deviation about the straight line through the last epochs of a curve."""
    middle, mean = (len(end) - 1) / 2, fmean(end)
    places = [number - middle for number in range(len(end))]
    slope = sum(p * a for p, a in zip(places, end, strict=True)) / sum(p * p for p in places)
    left = [a - mean - slope * p for p, a in zip(places, end, strict=True)]
    return sqrt(sum(one * one for one in left) / (len(end) - 2))


def _end(rows: Sequence[_Row], study: Study, alive: Sequence[Driver]) -> Iterable[Finding]:
    left = _left(rows, study)
    ended = sorted(row.ended for row in rows if row.ended is not None and row.state != "infeasible")
    if not alive or not left or not ended:
        return
    since = max(ended[-RECENT:][0], min(driver.started for driver in alive))
    recent = sum(moment > since for moment in ended)
    passed = (now() - since).total_seconds()
    if not recent or passed <= 0:
        return
    seconds = left * passed / recent
    yield Finding(
        "ok",
        f"{left} of {study.spec['trials']} trials are left: about {_long(seconds)} at the pace of "
        f"the last {recent}",
        "",
        {"left": left, "seconds": seconds, "per_hour": 3600 * recent / passed},
    )


# ------------------------------------------------------------------------------------------ words


def _left(rows: Sequence[_Row], study: Study) -> int:
    """Trials of the specification that have not ended; what is infeasible is none of them."""
    trained = ("complete", "stopped", "failed")
    return max(0, int(study.spec["trials"]) - sum(row.state in trained for row in rows))


def _long(seconds: float) -> str:
    for unit, one in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * one:
            return f"{seconds / one:.1f} {unit}"
    return f"{seconds:.3g} s"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _trials(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"trial{'' if len(numbers) == 1 else 's'} {shown}"


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:119]}…"
