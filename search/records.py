"""The tables of a study, beside Optuna's in the same database.

Optuna's tables say what was proposed and what came of it, to Optuna's own tools. These hold what
Optuna has no place for (curves, costs, reasons, the front's history), a row per trial, so that
pages and commands read thousands of trials in milliseconds.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import uuid4

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = ["SCHEMA", "STATES", "Base", "Epoch", "FrontStep", "Schema", "Study", "Trial"]

SCHEMA = 2  # of these tables; a database of another number is refused
STATES = ("waiting", "running", "complete", "stopped", "failed")


def now() -> datetime:
    """The present, in UTC, without a zone, as the tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """All of our tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON,
        list[Any]: JSON,
        float: Float(53),
    }


class Schema(Base):
    """One row: which version of these tables the database holds."""

    __tablename__ = "foveate_schema"

    version: Mapped[int] = mapped_column(primary_key=True)


class Study(Base):
    """One search: its specification and the driver that is at work on it."""

    __tablename__ = "foveate_study"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=lambda: uuid4().hex)  # of its folder
    name: Mapped[str] = mapped_column(String(200), unique=True)  # also of the Optuna study
    spec: Mapped[dict[str, Any]]  # SearchSpec.to_dict()
    sites: Mapped[list[Any]]  # of the backbone: Site.to_dict()
    images: Mapped[dict[str, Any]] = mapped_column(
        default=dict
    )  # size in pixels; mean and std per channel; how many of each split
    classes: Mapped[list[Any]]  # names of the labels
    space_size: Mapped[str] = mapped_column(Text)  # an integer of any length
    reference_gflops: Mapped[float]  # of the dearest placement: the hypervolume's reference
    bare_gflops: Mapped[float]
    versions: Mapped[dict[str, Any]]  # of the packages that made it
    created: Mapped[datetime] = mapped_column(DateTime, default=now)
    seq: Mapped[int] = mapped_column(default=0)  # of the last change to a trial

    driver: Mapped[str | None] = mapped_column(String(64))  # id of the driver at work; or none
    driver_host: Mapped[str | None] = mapped_column(String(255))
    driver_pid: Mapped[int | None]
    driver_beat: Mapped[datetime | None] = mapped_column(DateTime)  # its last sign of life

    trials: Mapped[list["Trial"]] = relationship(
        back_populates="study", order_by="Trial.number", cascade="all, delete-orphan"
    )


class Trial(Base):
    """One placement, trained once."""

    __tablename__ = "foveate_trial"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        UniqueConstraint("study_id", "key"),
        Index("foveate_trial_by_change", "study_id", "seq"),
        CheckConstraint("accuracy BETWEEN 0 AND 1", name="foveate_accuracy_is_a_share"),
        CheckConstraint(f"state IN {STATES}", name="foveate_state_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("foveate_study.id", ondelete="CASCADE"))
    number: Mapped[int]  # from 0; the number of the Optuna trial, too
    key: Mapped[str] = mapped_column(String(16))  # Placement.key
    placement: Mapped[str] = mapped_column(Text)  # Placement.spelling
    origin: Mapped[str] = mapped_column(String(80))  # "bare", "everywhere:se", "sampler"
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    seq: Mapped[int]  # Study.seq at its last change

    parameters: Mapped[int]
    macs: Mapped[float]  # multiply-adds of convolutions and matrix products
    gflops: Mapped[float]  # 10^9 operations, all counted, a multiply-add as one

    accuracy: Mapped[float | None]  # by the recipe's metric, after the latest epoch
    epochs: Mapped[int] = mapped_column(default=0)  # finished
    seconds: Mapped[float] = mapped_column(default=0.0)  # of training and validation so far
    on_front: Mapped[bool] = mapped_column(default=False)
    worker: Mapped[str | None] = mapped_column(String(255))
    device: Mapped[str | None] = mapped_column(String(80))
    metrics: Mapped[dict[str, Any] | None]  # of the latest epoch: workers.metrics.Measured
    reason: Mapped[str | None] = mapped_column(Text)  # why it was stopped, or how it failed
    verdict: Mapped[dict[str, Any] | None]  # that stopped it: search.stopping.Decision
    expected: Mapped[float | None]  # share that a stopped one would have reached, extrapolated
    notes: Mapped[list[Any]] = mapped_column(default=list)  # what befell it on its way
    weights: Mapped[str | None] = mapped_column(Text)  # file of the trained weights
    created: Mapped[datetime] = mapped_column(DateTime, default=now)
    started: Mapped[datetime | None] = mapped_column(DateTime)
    ended: Mapped[datetime | None] = mapped_column(DateTime)

    study: Mapped[Study] = relationship(back_populates="trials")
    curve: Mapped[list["Epoch"]] = relationship(
        back_populates="trial", order_by="Epoch.number", cascade="all, delete-orphan"
    )

    @property
    def is_baseline(self) -> bool:
        """The bare backbone, or one module everywhere: never stopped early."""
        return self.origin != "sampler"


class Epoch(Base):
    """One epoch of one trial."""

    __tablename__ = "foveate_epoch"
    __table_args__ = (CheckConstraint("number >= 1", name="foveate_epochs_count_from_1"),)

    trial_id: Mapped[int] = mapped_column(
        ForeignKey("foveate_trial.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)  # from 1
    train_loss: Mapped[float]  # nats per image
    accuracy: Mapped[float]  # validation share
    seconds: Mapped[float]  # of training and validation
    metrics: Mapped[dict[str, Any] | None]  # other shares of the validation images, by name
    at: Mapped[datetime] = mapped_column(DateTime, default=now)

    trial: Mapped[Trial] = relationship(back_populates="curve")


class FrontStep(Base):
    """The front right after a trial was fully trained."""

    __tablename__ = "foveate_front_step"
    __table_args__ = (UniqueConstraint("study_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("foveate_study.id", ondelete="CASCADE"))
    number: Mapped[int]  # of the trial that had just finished
    finished: Mapped[int]  # fully trained trials until then
    hypervolume: Mapped[float]  # share of the reference box, 0 to 1
    members: Mapped[list[Any]]  # numbers of the trials on the front, cheapest first
    at: Mapped[datetime] = mapped_column(DateTime, default=now)
