"""A study as pandas frames, and as files for other programs.

What a column means, with its unit, is said where it is listed; ``foveate data`` writes it beside
the files.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy.orm import Session

from ..errors import BadValue, listed
from . import store
from .databases import open_database
from .records import Epoch, FrontStep, Study, Trial, readable
from .spreadsheets import for_a_spreadsheet

__all__ = ["COLUMNS", "FORMATS", "LoadedStudy", "load_study", "write"]

FORMATS = ("csv", "json", "parquet")
TRIALS = {
    "trial": "its number, from 0; that of the Optuna trial, too",
    "origin": "bare, everywhere:MODULE, user, sampler, ...",
    "state": "waiting, running, complete, stopped, failed or infeasible",
    "on_front": "whether it is on the front",
    "accuracy": "share by the recipe's metric after the latest epoch, 0 to 1",
    "expected": "share that a stopped one would have reached, extrapolated",
    "epochs": "finished",
    "seconds": "of training and validation",
    "gflops": "10^9 operations of one image, all counted, a multiply-add as one",
    "macs": "multiply-adds of convolutions and matrix products, of one image",
    "parameters": "of the network",
    "memory": "bytes of activations at their peak, of one image",
    "latency": "milliseconds of one image, measured where it was trained; empty: not measured",
    "key": "a short hash of the placement",
    "seed": "of the training",
    "placement": "its one spelling, JSON",
    "worker": "that trained it",
    "device": "it was trained on",
    "reason": "why it was stopped, or how it failed",
    "verdict": "the decision that stopped it, with its rank and threshold",
    "violations": "of each constraint, as a share of its bound; at most 0: kept",
    "metrics": "shares of the validation images after the latest epoch, by name",
    "notes": "what befell it on its way",
    "failures": "after which it was tried again",
    "chosen": "parameters of the space, by name; empty: it lies outside",
    "parents": "numbers of the trials that it came from, where the sampler knows",
    "created": "when it was proposed, UTC",
    "started": "when it was first given to a worker, UTC",
    "ended": "UTC",
}
EPOCHS = {
    "trial": "number of the trial",
    "epoch": "from 1",
    "accuracy": "share by the recipe's metric on the validation images, 0 to 1",
    "train_loss": "nats per image",
    "seconds": "of training and validation",
    "metrics": "other shares of the validation images, by name; machine: what the epoch took of it",
    "at": "when it was finished, UTC",
}
FRONT = {
    "trial": "number of the trial, cheapest first",
    "accuracy": TRIALS["accuracy"],
    "gflops": TRIALS["gflops"],
    "extra_percent": "GFLOPs over the bare backbone's, % of these",
    "parameters": TRIALS["parameters"],
    "memory": TRIALS["memory"],
    "latency": TRIALS["latency"],
    "origin": TRIALS["origin"],
    "placement": TRIALS["placement"],
}
HISTORY = {
    "trial": "number of the fully trained trial that moved the front",
    "finished": "fully trained trials until then",
    "hypervolume": "share of the box from the bare backbone to the dearest placement, 0 to 1",
    "members": "trials on the front then",
    "at": "when, UTC",
}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "trials": TRIALS,
    "epochs": EPOCHS,
    "front": FRONT,
    "history": HISTORY,
}


NESTED = ("verdict", "violations", "metrics", "notes", "chosen", "parents")  # JSON in tables
_DTYPES = {int: "int64", float: "float64", bool: "bool", datetime: "datetime64[us]"}
_TYPES = {
    column.name: column.type.python_type
    for table in (FrontStep, Epoch, Trial)  # the same name means the same in all of them
    for column in table.__table__.columns
} | {"trial": int}


def load_study(name: str, *, storage: str = "sqlite:///foveate.db") -> "LoadedStudy":
    """The study called ``name`` in the database ``storage``, for a notebook.

        > study = foveate.load_study("cluttered-digits-resnet8")
        > study.trials.query("state == 'complete'").plot.scatter("gflops", "accuracy")

    Raises
        UnknownName  if there is no such study, or no such database
    """
    with _opened(storage) as session:
        study = store.find_study(session, name)
        session.expunge(study)
    return LoadedStudy(storage, study)


@contextmanager
def _opened(storage: str) -> Iterator[Session]:
    engine = open_database(storage, read_only=True)
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


@dataclass(frozen=True)
class LoadedStudy:
    """A study's figures as pandas frames, each read when it is first asked for.

    ``COLUMNS`` of this module says what the columns are. A running search moves on: load it again
    to see how it stands then.
    """

    storage: str
    study: Study  # its row

    def __repr__(self) -> str:
        return f"LoadedStudy({self.name!r})"

    @property
    def name(self) -> str:
        """What it is called."""
        return self.study.name

    @property
    def spec(self) -> dict[str, Any]:
        """Its specification, as YAML has it; ``SearchSpec.of`` takes it."""
        return self.study.spec

    @cached_property
    def trials(self) -> pd.DataFrame:
        """Every trial, by its number."""
        frame = self._read(store.trial_rows, TRIALS, {"trial": "number"})
        return frame.set_index("trial", drop=False).rename_axis(None)

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """What was chosen: a column a parameter of the space, a row a trial that lies within it.

        What a trial was not asked for is missing there.
        """
        with _opened(self.storage) as session:
            rows = store.trial_rows(session, self.study, ("number", "chosen"))
        chosen = {number: values for number, values in rows if values is not None}
        return pd.DataFrame.from_dict(chosen, orient="index")

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """Every epoch, by trial and number."""
        return self._read(store.epoch_rows, EPOCHS, {"epoch": "number"}, given=("trial",))

    @cached_property
    def front(self) -> pd.DataFrame:
        """The trials on the front, cheapest first."""
        asked = {name: about for name, about in FRONT.items() if name != "extra_percent"}
        there = self._read(store.front_rows, asked, {"trial": "number"})
        bare = self.study.bare_gflops
        there = there.assign(extra_percent=100 * (there["gflops"] - bare) / bare)
        return there[list(FRONT)]

    @cached_property
    def history(self) -> pd.DataFrame:
        """How the front grew: a row for each fully trained trial that moved it."""
        return self._read(store.step_rows, HISTORY, {"trial": "number"})

    def _read(
        self,
        query: Any,
        columns: Mapping[str, str],
        called: Mapping[str, str],
        given: Sequence[str] = (),
    ) -> pd.DataFrame:
        asked = [called.get(name, name) for name in columns if name not in given]
        with _opened(self.storage) as session:
            rows = query(session, self.study, asked)
        frame = pd.DataFrame.from_records(rows, columns=[*columns])
        kinds = {name: _DTYPES.get(_TYPES[called.get(name, name)]) for name in columns}
        return frame.astype({name: kind for name, kind in kinds.items() if kind})


# --------------------------------------------------------------------------------------- files


def write(study: LoadedStudy, folder: Path, format: str) -> list[Path]:
    """Write all of ``study`` into ``folder``: a file a frame, what the columns mean, and the rest.

    Raises
        BadValue  for another format than csv, json and parquet, or a folder that cannot be written
    """
    if format not in FORMATS:
        raise BadValue(f"--format may be {listed(FORMATS, last='or')}, got {format!r}")
    frames = {name: getattr(study, name) for name in COLUMNS}
    row = study.study
    about = {name: getattr(row, name) for name in ABOUT} | {"columns": COLUMNS}
    about["created"] = row.created.isoformat()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(about, indent=2, ensure_ascii=False)
        (folder / "study.json").write_text(readable(text), encoding="utf-8")
        written = [folder / "study.json"]
        for name, frame in frames.items():
            written.append(folder / f"{name}.{format}")
            _write(frame, written[-1], format)
    except OSError as error:
        raise BadValue(f"cannot write {str(folder)!r}: {error.strerror or error}") from None
    return written


ABOUT = (
    *("name", "spec", "images", "classes", "fingerprint", "sites", "space_size", "bare_gflops"),
    *("reference_gflops", "bare", "reference", "versions", "environment", "note", "created"),
)


def _write(frame: pd.DataFrame, path: Path, format: str) -> None:
    if format == "json":
        frame.to_json(path, orient="records", date_format="iso", indent=1, force_ascii=False)
        return
    nested = {name: frame[name].map(_as_text) for name in NESTED if name in frame}
    frame = frame.assign(**nested)
    if format == "parquet":
        frame.to_parquet(path, index=False)
    else:
        texts = [str(name) for name, kind in frame.dtypes.items() if kind.kind == "O"]
        safe = {name: frame[name].map(for_a_spreadsheet) for name in texts}
        frame.assign(**safe).to_csv(path, index=False, lineterminator="\n")


def _as_text(cell: Any) -> str | None:
    """A mapping or a list as JSON: a column of a table has one type."""
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict | list) else None
