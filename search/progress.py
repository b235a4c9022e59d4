"""What the user sees while a search runs: a live line on a terminal, a line per trial elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..spaces.placement import draw
from .driver import Event
from .front import front
from .records import Study, Trial

__all__ = ["Progress"]


@dataclass
class Progress:
    """Counts what happens to the trials of a study."""

    console: Console
    study: Study
    before: Iterable[Trial]  # the trials that were there already
    total: int
    epochs: int
    time_budget: float | None
    began: float = field(default_factory=monotonic)
    states: dict[int, str] = field(default_factory=dict)
    scores: dict[int, tuple[float, float]] = field(default_factory=dict)  # complete ones
    running: dict[int, str] = field(default_factory=dict)
    bare: float | None = None
    ended: int = 0  # in this run

    def __post_init__(self) -> None:
        for trial in self.before:
            self.states[trial.number] = trial.state
            if trial.state == "complete" and trial.accuracy is not None:
                self.scores[trial.number] = (trial.accuracy, trial.gflops)
                if trial.origin == "bare":
                    self.bare = trial.accuracy
        self.live = Live(console=self.console, get_renderable=self._render, refresh_per_second=4)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def __call__(self, event: Event) -> None:
        """Take note of ``event``."""
        job, number = event.job, event.job.number
        if event.note:
            self._print(number, f"{event.state:<8} {'':>8}  {event.note}")
            return
        self.states[number] = event.state
        if event.state == "running":
            share = f"{100 * event.epoch['accuracy']:.2f} %" if event.epoch else "starts"
            at = event.epoch["number"] if event.epoch else job.recorded
            self.running[number] = (
                f"epoch {at:>2} of {self.epochs}  {share:>8}  {self._what(event)}"
            )
            return
        self.running.pop(number, None)
        self.ended += 1
        shown = ""
        if event.epoch:
            reached: float = event.epoch["accuracy"]
            shown = f"{100 * reached:6.2f} %"
            if event.state == "complete":
                self.scores[number] = (reached, job.gflops)
                self.bare = reached if job.origin == "bare" else self.bare
        about = f"{event.state:<8} {shown:>8}  {job.gflops:.4g} GFLOPs  {self._what(event)}"
        if event.reason:
            about += f"  ({event.reason})"
        self._print(number, about)

    def say(self, text: str) -> None:
        """Print something that concerns no single trial."""
        self.console.print(Text(f"{monotonic() - self.began:5.0f} s  {text}"), soft_wrap=True)

    def _print(self, number: int, about: str) -> None:
        self.say(f"trial {number:>3}  {about}")

    def _what(self, event: Event) -> str:
        if event.job.origin.startswith("everywhere:"):
            return event.job.origin.replace(":", " ", 1)
        return draw(event.job.placement, self.study.sites)

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_row(Text(self.summary()))
        for number, about in sorted(self.running.items()):
            table.add_row(Text(f"  trial {number:>3}  {about}"))
        return table

    def summary(self) -> str:
        """Trials by state, the best so far, the front's size, the time left."""
        count = {s: sum(v == s for v in self.states.values()) for s in set(self.states.values())}
        done = sum(count.get(state, 0) for state in ("complete", "stopped", "failed"))
        parts = [f"{done} of {self.total} trials", f"{len(self.running)} running"]
        parts += [
            f"{count[s]} {name}"
            for s, name in (("stopped", "stopped early"), ("failed", "failed"))
            if s in count
        ]
        if self.scores:
            best = max(share for share, _ in self.scores.values())
            over = "" if self.bare is None else f" ({100 * (best - self.bare):+.2f} over bare)"
            parts.append(f"best {100 * best:.2f} %{over}")
            parts.append(f"front {len(front(list(self.scores.values())))}")
        left = self._left(self.total - done)
        parts += [] if left is None else [f"about {left:.0f} s left"]
        return " · ".join(parts)

    def _left(self, trials: int) -> float | None:
        if trials <= 0:
            return None
        elapsed = monotonic() - self.began
        guesses = []
        if self.ended:
            guesses.append(trials * elapsed / self.ended)
        if self.time_budget is not None:
            guesses.append(max(0.0, self.time_budget - elapsed))
        return min(guesses, default=None)
