from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from foveate.search.driver import Event
from foveate.search.ledger import Job
from foveate.search.progress import Progress
from foveate.search.records import Study, Trial
from foveate.spaces import Module, Placement

Add = Callable[..., Trial]
SE = [Module("layer1.0.bn2", "se")]


def job(
    number: int, origin: str = "sampler", modules: list[Module] | None = None, recorded: int = 0
) -> Job:
    placement = Placement.of("resnet8", SE if modules is None else modules)
    return Job(number, origin, placement, 0.04 + number / 1000, recorded)


def epoch(number: int, accuracy: float) -> dict[str, Any]:
    return {"number": number, "train_loss": 1.0, "accuracy": accuracy, "seconds": 1.0}


@pytest.fixture
def progress(study: Study) -> Callable[..., Progress]:
    def new(*before: Trial, terminal: bool = False, **options: Any) -> Progress:
        console = Console(file=StringIO(), width=60, force_terminal=terminal)
        given: dict[str, Any] = {"total": 10, "epochs": 4, "time_budget": None}
        return Progress(console, study, before, **given | options)

    return new


def lines(of: Progress) -> list[str]:
    return of.console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_a_plain_console_gets_a_line_for_each_trial_that_ended(
    progress: Callable[..., Progress],
) -> None:
    seen = progress()
    with seen:
        seen(Event(job(0, "bare", []), "running"))
        seen(Event(job(0, "bare", []), "running", epoch(1, 0.5)))
        seen(Event(job(0, "bare", []), "running", epoch(3, 0.6)))
        assert lines(seen) == []
        seen(Event(job(0, "bare", []), "complete", epoch(4, 0.75)))
        seen(Event(job(1, "everywhere:se"), "running"))
        seen(Event(job(1, "everywhere:se"), "complete", epoch(4, 0.8)))
        seen(Event(job(2), "stopped", epoch(2, 0.3), "place 6 of 6 at epoch 2"))
        seen(Event(job(3), "failed", reason="RuntimeError: out of memory"))
    said = [line.split(" s  ", 1)[1] for line in lines(seen)]
    assert said == [
        "trial   0  complete  75.00 %  0.04 GFLOPs  bare",
        "trial   1  complete  80.00 %  0.041 GFLOPs  everywhere se",
        "trial   2  stopped   30.00 %  0.042 GFLOPs  · | se | · | ·  (place 6 of 6 at epoch 2)",
        "trial   3  failed             0.043 GFLOPs  · | se | · | ·  (RuntimeError: out of memory)",
    ]


def test_the_summary_counts_and_compares(progress: Callable[..., Progress]) -> None:
    seen = progress()
    assert seen.summary() == "0 of 10 trials · 0 running"
    seen(Event(job(0, "bare", []), "running"))
    assert seen.summary() == "0 of 10 trials · 1 running"
    seen(Event(job(0, "bare", []), "complete", epoch(4, 0.75)))
    assert "1 of 10 trials · 0 running · best 75.00 % (+0.00 over bare) · front 1" in seen.summary()
    seen(Event(job(1), "complete", epoch(4, 0.80)))
    seen(Event(job(2), "complete", epoch(4, 0.78)))
    seen(Event(job(3), "stopped", epoch(2, 0.3), "behind"))
    seen(Event(job(4), "failed", reason="no"))
    seen(Event(job(5), "running", epoch(1, 0.3)))
    assert seen.summary().startswith(
        "5 of 10 trials · 1 running · 1 stopped early · 1 failed · best 80.00 % (+5.00 over bare)"
        " · front 2 · about "
    )


def test_what_was_there_before_counts(progress: Callable[..., Progress], add: Add) -> None:
    before = [
        add(0.7, origin="bare"),
        add(0.6, extra=0.1),
        add(0.2, state="stopped"),
        add(state="failed"),
        add(state="waiting"),
    ]
    assert progress(*before).summary() == (
        "4 of 10 trials · 0 running · 1 stopped early · 1 failed · best 70.00 % (+0.00 over bare)"
        " · front 1"
    )


def test_the_time_left_is_what_the_rest_would_take_or_the_budget(
    progress: Callable[..., Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = progress(time_budget=None)
    monkeypatch.setattr("foveate.search.progress.monotonic", lambda: seen.began + 40)
    seen(Event(job(0), "complete", epoch(4, 0.5)))
    seen(Event(job(1), "stopped", epoch(2, 0.5), "behind"))
    assert seen.summary().endswith("about 160 s left")  # 8 more, of 20 seconds
    seen.time_budget = 100
    assert seen.summary().endswith("about 60 s left")
    seen.time_budget = 30
    assert seen.summary().endswith("about 0 s left")


def test_the_time_left_leaves_out_what_an_earlier_run_did(
    progress: Callable[..., Progress], add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = progress(*[add(0.5) for _ in range(5)])
    monkeypatch.setattr("foveate.search.progress.monotonic", lambda: seen.began + 10)
    seen(Event(job(5), "complete", epoch(4, 0.5)))
    assert seen.summary().endswith("about 40 s left")


def test_a_finished_search_has_no_time_left_to_tell(progress: Callable[..., Progress]) -> None:
    seen = progress(total=1, time_budget=100.0)
    seen(Event(job(0), "complete", epoch(4, 0.5)))
    assert "left" not in seen.summary()


def test_a_continued_trial_says_where_it_stands(progress: Callable[..., Progress]) -> None:
    seen = progress()
    seen(Event(job(3, recorded=2), "running"))
    assert seen.running == {3: "epoch  2 of 4    starts  · | se | · | ·"}
    seen(Event(job(3, recorded=2), "running", epoch(3, 0.5)))
    assert seen.running == {3: "epoch  3 of 4   50.00 %  · | se | · | ·"}
    seen(Event(job(3, recorded=2), "complete", epoch(4, 0.5)))
    assert seen.running == {}


HOSTILE = "[bold]x[/bold] [/nothing] \\[red] :smile:"


@pytest.mark.parametrize("terminal", [False, True])
def test_what_a_program_says_is_not_markup(
    terminal: bool, progress: Callable[..., Progress]
) -> None:
    seen = progress(terminal=terminal)
    with seen:
        seen(Event(job(0), "failed", reason=HOSTILE))
    assert HOSTILE in "\n".join(lines(seen))


def test_names_on_the_live_lines_are_not_markup(progress: Callable[..., Progress]) -> None:
    seen = progress(terminal=True)
    seen(Event(job(0, f"everywhere:{HOSTILE}"), "running"))
    console = Console(file=StringIO(), width=200)
    console.print(seen._render())
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert HOSTILE in said


def test_a_terminal_sees_what_is_running(progress: Callable[..., Progress]) -> None:
    seen = progress(terminal=True)
    with seen:
        seen(Event(job(0), "running", epoch(1, 0.5)))
        seen.live.refresh()
        said = "\n".join(lines(seen))
        assert "0 of 10 trials · 1 running" in said and "epoch  1 of 4" in said
