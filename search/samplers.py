"""What proposes, by name: Optuna's samplers, ours in their place where that is worth it."""

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from random import Random
from typing import Any

from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from ..errors import BadValue, unknown
from ..spaces.placement import Value
from ..spaces.space import Space
from .asking import Asking
from .nsga2 import NSGA2, population_for
from .tpe import TPE, Estimates
from .trials import Seen, Trials

__all__ = ["GRID", "NAMES", "Make", "check", "check_grid", "maker", "noted"]

KINDS: dict[str, type[BaseSampler]] = {
    "gp": GPSampler,
    "nsga2": NSGA2,
    "random": RandomSampler,
    "tpe": TPESampler,
}
NAMES = (*sorted([*KINDS, "grid"]),)
GRID = 10_000  # placements that a grid may have
FAST = {"constant_liar", "n_ei_candidates", "n_startup_trials"}  # options of TPE that ours has

Make = Callable[[int], BaseSampler]  # a new sampler of a seed


def check(name: str, options: Mapping[str, Any], *, objectives: Sequence[int] = (2, 1)) -> None:
    """See that there is such a sampler and that it proposes something with these options.

    That is for a study of any of these numbers of ``objectives``.

    Raises
        UserError  if not; a sampler of one's own is imported and tried on a small study
    """
    if name == "grid":
        if options:
            raise unknown("option of grid", next(iter(options)), [])
        return
    kind = _kind(name)
    if name == "gp" and find_spec("scipy") is None:
        raise BadValue("sampler.name is 'gp', which needs SciPy: pip install scipy")
    parameters = inspect.signature(kind).parameters
    takes_any = any(one.kind == one.VAR_KEYWORD for one in parameters.values())
    for key in options:
        if key == "seed":
            raise BadValue("sampler.options may not set seed: it follows from that of the search")
        if key not in parameters and not takes_any:
            known = sorted(set(parameters) - {"seed"})
            raise unknown(f"option of {name}", key, known)
    if options or name not in KINDS:
        errors = [error for count in objectives if (error := _rehearsed(name, options, count))]
        if len(errors) == len(objectives):
            given = f" with the options {dict(options)!r}" if options else ""
            many = f"{objectives[0]} objectives" if objectives[0] > 1 else "one objective"
            raise BadValue(f"sampler {name!r} cannot propose for {many}{given}: {errors[0]}")


def check_grid(space: Space) -> None:
    """See that ``space`` is small enough to go through it."""
    if space.size > GRID:
        size = f"{space.size:,}" if space.size < 1e15 else f"{float(space.size):.1e}"
        raise BadValue(
            f"sampler.name is 'grid', which goes through at most {GRID:,} placements, "
            f"and the space has {size}"
        )


def maker(name: str, options: Mapping[str, Any], trials: Trials, budget: int) -> Make:
    """What makes samplers over ``trials``, for a search of ``budget`` of them.

    A fresh one for each proposal: then that depends on the trials and the seed alone.
    """
    if name == "tpe":
        options = {"n_startup_trials": 4, "constant_liar": True} | dict(options)
        if set(options) <= FAST and trials.objectives > 1:
            ours = {key: value for key, value in options.items() if key != "constant_liar"}
            estimates = Estimates(trials, constant_liar=options["constant_liar"])
            return lambda seed: TPE(estimates, seed=seed, **ours)
    if name == "nsga2":
        options = {"population_size": population_for(budget)} | dict(options)
    if name == "gp":
        options = {"warn_independent_sampling": False} | dict(options)
    kind: Callable[..., BaseSampler] = _kind(name)
    if "seed" in inspect.signature(kind).parameters:
        return lambda seed: _quietly(partial(kind, **options, seed=seed))
    return lambda seed: _quietly(partial(kind, **options))


def noted(name: str) -> dict[str, Any]:
    """What the sampler called ``name`` shall believe to have noted about trials not of its own."""
    return {NSGA2._get_generation_key(): 0} if name == "nsga2" else {}


def _kind(name: str) -> type[BaseSampler]:
    if name in KINDS:
        return KINDS[name]
    path, colon, attribute = name.partition(":")
    if not colon:
        raise unknown("sampler", name, [*NAMES, "package.module:Class"])
    try:
        kind = getattr(import_module(path), attribute)
    except Exception as error:  # whatever that module does when it is imported
        raise BadValue(f"there is no sampler {name!r}: {_first_line(error)}") from None
    if not (isinstance(kind, type) and issubclass(kind, BaseSampler)):
        raise BadValue(f"{name!r} is no sampler of Optuna's, which is a class with that base")
    return kind


def _quietly(make: Callable[[], BaseSampler]) -> BaseSampler:
    with warnings.catch_warnings():  # that something is experimental or will change
        warnings.simplefilter("ignore")
        return make()


def _rehearsed(name: str, options: Mapping[str, Any], objectives: int) -> str | None:
    """What goes wrong when it proposes in a small study; ``None`` if nothing does."""
    coordinates = {f"layer{place}": ("none", "se", "eca") for place in range(12)}
    trials = Trials(coordinates, objectives, noted=noted(name))
    rng = Random(0)
    for number in range(30):
        chosen: dict[str, Value] = {key: rng.choice(all_) for key, all_ in coordinates.items()}
        values = tuple(rng.random() for _ in range(objectives))
        trials.update([Seen(number, "complete", str(number), chosen, values)])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asking = Asking(maker(name, options, trials, 100)(0), trials, 30)
            for key, choices in coordinates.items():
                if (value := asking.suggest_categorical(key, choices)) not in choices:
                    return f"it proposes {value!r}, which is none of {choices}"
    except Exception as error:  # whatever it does with these options
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
