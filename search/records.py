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
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

__all__ = [
    "ENDED",
    "STATES",
    "Artifact",
    "Base",
    "Driver",
    "Epoch",
    "FrontStep",
    "Study",
    "Trial",
    "Words",
]

STATES = ("waiting", "running", "complete", "stopped", "failed", "infeasible")
ENDED = ("complete", "stopped", "failed", "infeasible")
Moment = DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")


def now() -> datetime:
    """The present, in UTC, without a zone, as the tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)


def readable(text: str) -> str:
    """``text`` as every database takes it: NUL and half surrogate pairs are made visible."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()


class Words(TypeDecorator[str]):
    """Text from anywhere, such as an error's: made ``readable``, and cut at ``most`` characters."""

    impl = Text
    cache_ok = True

    def __init__(self, most: int = 20_000) -> None:
        super().__init__()
        self.most = most

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """How a database keeps it."""
        kind: String = String(self.most) if self.most < 1000 else Text()
        if self.most >= 1000 and dialect.name in ("mysql", "mariadb"):
            kind = Text(self.most)  # it counts bytes: without a number, 65,535
        return kind  # dialect.type_descriptor would have PostgreSQL take VARCHAR for TEXT

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What a database is given."""
        if value is None:
            return None
        plain = readable(value)
        return plain if len(plain) <= self.most else plain[: self.most - 1] + "…"


class Base(DeclarativeBase):
    """All of our tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
        float: Float(53),
        datetime: Moment,
    }


class Study(Base):
    """One search: its specification, and what is counted of its trials."""

    __tablename__ = "foveate_study"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), default=lambda: uuid4().hex)  # of its folder
    name: Mapped[str] = mapped_column(String(200), unique=True)  # also of the Optuna study
    optuna_id: Mapped[int]  # of the Optuna study: studies.study_id
    spec: Mapped[dict[str, Any]]  # SearchSpec.to_dict()
    sites: Mapped[list[Any]]  # of the backbone: Site.to_dict()
    images: Mapped[dict[str, Any]] = mapped_column(
        default=dict
    )  # size in pixels; mean and std per channel; how many of each split
    fingerprint: Mapped[str | None] = mapped_column(String(64))  # of the images: sha256, hex
    classes: Mapped[list[Any]]  # names of the labels
    space_size: Mapped[str] = mapped_column(Text)  # an integer of any length
    reference_gflops: Mapped[float]  # of the dearest placement: the hypervolume's reference
    bare_gflops: Mapped[float]
    bare: Mapped[dict[str, Any]] = mapped_column(
        default=dict
    )  # costs of the bare backbone, by name
    reference: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the dearest's, by name
    versions: Mapped[dict[str, Any]]  # of the packages that made it
    environment: Mapped[dict[str, Any]] = mapped_column(default=dict)  # machine that made it
    note: Mapped[str] = mapped_column(Words(), default="")  # the user's
    created: Mapped[datetime] = mapped_column(default=now)

    seq: Mapped[int] = mapped_column(default=0)  # of the last change to a trial
    numbers: Mapped[int] = mapped_column(default=0)  # taken by trials: the next trial's number
    skipped: Mapped[int] = mapped_column(default=0)  # of them, by trials of other programs
    finished: Mapped[int] = mapped_column(default=0)  # trials that are fully trained
    repeats: Mapped[int] = mapped_column(default=0)  # proposals that had been made before

    trials: Mapped[list["Trial"]] = relationship(
        back_populates="study", order_by="Trial.number", cascade="all, delete-orphan"
    )

    # who changes a study without having locked it is told
    __mapper_args__ = {"version_id_col": seq, "version_id_generator": False}  # noqa: RUF012

    @property
    def objectives(self) -> list[str]:
        """Names of what is maximised, the accuracy, and of the costs that are minimised."""
        return list(self.spec.get("objectives", ("accuracy", "gflops")))


class Driver(Base):
    """A process that searches, or searched, a study."""

    __tablename__ = "foveate_driver"
    __table_args__ = (Index("foveate_driver_of_study", "study_id", "ended"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("foveate_study.id", ondelete="CASCADE"))
    host: Mapped[str] = mapped_column(Words(255))
    pid: Mapped[int]
    home: Mapped[str | None] = mapped_column(Words(120))  # within which the pid means something
    beats: Mapped[int] = mapped_column(default=0)  # signs of life so far
    stop: Mapped[bool] = mapped_column(default=False)  # somebody asked it to end
    started: Mapped[datetime] = mapped_column(default=now)  # these three by its own clock
    beat: Mapped[datetime] = mapped_column(default=now)
    ended: Mapped[datetime | None]
    how: Mapped[str | None] = mapped_column(String(20))  # "closed"; "lost": another found it dead


class Trial(Base):
    """One placement, trained once."""

    __tablename__ = "foveate_trial"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        UniqueConstraint("study_id", "key", "seed"),
        Index("foveate_trial_by_change", "study_id", "seq"),
        Index("foveate_trial_by_state", "study_id", "state"),
        Index("foveate_trial_on_front", "study_id", "on_front"),
        CheckConstraint("accuracy BETWEEN 0 AND 1", name="foveate_accuracy_is_a_share"),
        CheckConstraint(f"state IN {STATES}", name="foveate_state_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("foveate_study.id", ondelete="CASCADE"))
    number: Mapped[int]  # from 0; the number of the Optuna trial, too
    optuna_id: Mapped[int]  # of the Optuna trial: trials.trial_id
    key: Mapped[str] = mapped_column(String(16))  # Placement.key
    seed: Mapped[int] = mapped_column(BigInteger, default=0)  # of its training
    placement: Mapped[str] = mapped_column(Text)  # Placement.spelling
    origin: Mapped[str] = mapped_column(
        Words(80)
    )  # "bare", "everywhere:se", "user", "sampler", ...
    chosen: Mapped[dict[str, Any] | None]  # the space's parameters; none: it lies outside
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the sampler's own
    parents: Mapped[list[Any] | None]  # numbers of the trials that it came from
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    seq: Mapped[int]  # Study.seq at its last change
    driver_id: Mapped[int | None] = mapped_column(
        ForeignKey("foveate_driver.id", ondelete="SET NULL")
    )  # that has it trained, while it is running

    parameters: Mapped[int] = mapped_column(BigInteger)
    macs: Mapped[float]  # multiply-adds of convolutions and matrix products
    gflops: Mapped[float]  # 10^9 operations, all counted, a multiply-add as one
    memory: Mapped[float | None]  # bytes of activations at their peak, of one image
    latency: Mapped[float | None]  # milliseconds, measured where it is trained
    added: Mapped[list[Any] | None]  # [parameters, operations] of each module, as in the placement
    violations: Mapped[dict[str, Any] | None]  # of each constraint, as a share of its bound

    accuracy: Mapped[float | None]  # by the recipe's metric, after the latest epoch
    epochs: Mapped[int] = mapped_column(default=0)  # finished
    seconds: Mapped[float] = mapped_column(default=0.0)  # of training and validation so far
    on_front: Mapped[bool] = mapped_column(default=False)
    worker: Mapped[str | None] = mapped_column(Words(255))
    device: Mapped[str | None] = mapped_column(Words(80))
    metrics: Mapped[dict[str, Any] | None]  # of the latest epoch: workers.metrics.Measured
    reason: Mapped[str | None] = mapped_column(Words())  # why it was stopped, or how it failed
    verdict: Mapped[dict[str, Any] | None]  # that stopped it: search.stopping.Decision
    expected: Mapped[float | None]  # share that a stopped one would have reached, extrapolated
    failures: Mapped[int] = mapped_column(default=0)  # after which it was tried again
    notes: Mapped[list[Any]] = mapped_column(default=list)  # what befell it on its way
    created: Mapped[datetime] = mapped_column(default=now)
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]

    study: Mapped[Study] = relationship(back_populates="trials")
    driver: Mapped[Driver | None] = relationship()
    curve: Mapped[list["Epoch"]] = relationship(
        back_populates="trial", order_by="Epoch.number", cascade="all, delete-orphan"
    )
    artifacts: Mapped[list["Artifact"]] = relationship(
        back_populates="trial", order_by="Artifact.id", cascade="all, delete-orphan"
    )

    @property
    def is_baseline(self) -> bool:
        """The bare backbone, or one module everywhere: never stopped early."""
        return self.origin == "bare" or self.origin.startswith("everywhere:")

    @property
    def costs(self) -> dict[str, float]:
        """Those that are known, by the names that objectives and constraints have."""
        found = {
            name: getattr(self, name) for name in ("gflops", "parameters", "memory", "latency")
        }
        return {name: float(value) for name, value in found.items() if value is not None}

    @property
    def weights(self) -> str | None:
        """Where the trained weights are, if they were kept."""
        return next((one.address for one in self.artifacts if one.kind == "weights"), None)

    @property
    def looks(self) -> "Artifact | None":
        """The file that shows where the trained network looks, if it was drawn."""
        return next((one for one in self.artifacts if one.kind == "attention"), None)


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
    metrics: Mapped[dict[str, Any] | None]  # other shares of the validation images, by name; and
    # "machine": what the epoch took of its machine, as workers.train and workers.machine have it
    at: Mapped[datetime] = mapped_column(default=now)

    trial: Mapped[Trial] = relationship(back_populates="curve")


class FrontStep(Base):
    """The front right after a fully trained trial had moved it."""

    __tablename__ = "foveate_front_step"
    __table_args__ = (UniqueConstraint("study_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("foveate_study.id", ondelete="CASCADE"))
    number: Mapped[int]  # of the trial that moved it
    finished: Mapped[int]  # fully trained trials until then
    hypervolume: Mapped[float]  # share of the reference box, 0 to 1
    members: Mapped[list[Any]]  # numbers of the trials on the front, cheapest first
    at: Mapped[datetime] = mapped_column(default=now)


class Artifact(Base):
    """A file that a trial left: its weights, or where it looks.

    Of the kind "attention", ``about`` is what ``workers.looking.look`` says of the file's pictures:

        version   1
        size      pixels a side of the pictures, 256 at most
        images    index (in the validation split), labels, and predicted: label and share of each
        sites     of each module, site, module, and what it shows:
                  "map"        what (in words), range (from black to white), shape (rows, columns)
                  "rectangle"  what, and for each image the corners, x and y as shares of its side,
                               and inside, the share of the image that lies in it
                  "nothing"    why
    """

    __tablename__ = "foveate_artifact"
    __table_args__ = (Index("foveate_artifact_of_trial", "trial_id", "kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("foveate_study.id", ondelete="CASCADE"))
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("foveate_trial.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(40))  # "weights", "attention"
    address: Mapped[str] = mapped_column(Text)  # a path that all nodes see, or s3://...
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    about: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created: Mapped[datetime] = mapped_column(default=now)

    trial: Mapped[Trial | None] = relationship(back_populates="artifacts")


for _table in Base.metadata.tables.values():  # where the server's own default is another
    _table.dialect_kwargs.update(mysql_charset="utf8mb4", mariadb_charset="utf8mb4")
