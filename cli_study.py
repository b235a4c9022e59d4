"""The commands that look at studies and change them by hand; ``cli`` adds them to its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import BadValue

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from .search.records import Study

__all__ = ["COMMANDS", "DATABASE", "Storage", "console", "opened"]

DATABASE = "sqlite:///foveate.db"
Storage = Annotated[
    str,
    typer.Option(
        envvar="FOVEATE_STORAGE",
        help="Database: sqlite:///FILE, postgresql://… or mysql://…; the password of a server may "
        "stand in the file that FOVEATE_PASSWORD_FILE names",
    ),
]
Name = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study")]
COMMANDS: dict[Callable[..., None], str] = {}  # each with an example


def command(example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function one of ``COMMANDS``."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        COMMANDS[function] = example
        return function

    return add


@command("foveate studies --storage sqlite:///foveate.db")
def studies(storage: Storage = DATABASE) -> None:
    """List the studies of a database."""
    from rich.table import Table
    from sqlalchemy.orm import Session

    from .search import store
    from .search.databases import open_database
    from .search.hands import ago

    states = ("complete", "stopped", "failed", "infeasible", "waiting", "running")
    table = Table(box=None, pad_edge=False)
    for heading in ("study", "data", "backbone", *states, "best %", "front", "hypervolume"):
        table.add_column(heading, justify="left" if heading in _TEXTS else "right")
    table.add_column("last change")
    table.add_column("searched by")
    with Session(open_database(storage, read_only=True)) as session:
        for found in store.studies(session):
            count, stands = store.counts(session, found), store.standing(session, found)
            who = [f"process {one.pid} on {one.host}" for one in store.drivers(session, found.id)]
            table.add_row(
                found.name,
                found.spec["data"]["name"],
                found.spec["space"]["backbone"],
                *(str(count[state]) for state in states),
                "-" if stands.best is None else f"{100 * stands.best:.2f}",
                str(stands.on_front),
                "-" if stands.hypervolume is None else f"{stands.hypervolume:.4f}",
                f"{ago(stands.changed)} ago",
                ", ".join(who) or "-",
            )
    console().print(table)


_TEXTS = ("study", "data", "backbone")


@command("foveate show cluttered-digits-resnet8 --trial 12")
def show(
    study: Name,
    storage: Storage = DATABASE,
    trial: Annotated[int | None, typer.Option(help="Show this one, with its curve")] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the architecture of --trial here")
    ] = None,
) -> None:
    """Show all that there is to say of a study: what it searches, how it stands, its front."""
    from .search import about, pictures, report, store
    from .spaces import Placement

    if svg is not None and trial is None:
        raise BadValue("--svg draws one trial: say which with --trial")
    out = console()
    with opened(storage, study) as (session, found):
        if trial is not None:
            one = store.find_trial(session, found, trial)
            _print(out, about.about_trial(session, found, one))
            out.print("\nepoch  accuracy %  train loss  seconds", highlight=False)
            for epoch in one.curve:
                share, loss = f"{100 * epoch.accuracy:10.2f}", f"{epoch.train_loss:10.4g}"
                line = f"{epoch.number:5}  {share}  {loss}  {epoch.seconds:7.2f}"
                out.print(line, highlight=False)
            if svg is not None:
                _write(svg, pictures.as_file(found, Placement.parse(one.placement)))
            return
        _print(out, about.about_study(session, found))
        on_front, _ = report.front_and_baselines(session, found)
        if on_front:
            out.print()
            out.print(report.as_table(on_front, "The front, cheapest first"))
        out.print("\n" + about.written(found.spec), highlight=False, markup=False, soft_wrap=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadValue(f"cannot write {str(path)!r}: {error.strerror or error}") from None


def _print(out: "Console", lines: Iterator[tuple[str, str]]) -> None:
    before = ""
    for word, text in lines:
        shown = "" if word == before else word
        out.print(f"{shown:<11} {text}", highlight=False, markup=False, soft_wrap=True)
        before = word


@command("foveate rename digits digits-first-try")
def rename(
    study: Name,
    new: Annotated[str, typer.Argument(help="Its name from now on")],
    storage: Storage = DATABASE,
) -> None:
    """Give a study another name; a search of it goes on."""
    from .search import hands

    with _changing(storage) as engine:
        hands.rename(engine, study, new)
    print(f"study {study!r} is called {new!r} now")


@command("foveate delete digits-first-try --yes")
def delete(
    study: Name,
    storage: Storage = DATABASE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    files: Annotated[
        bool, typer.Option("--files", help="Its checkpoints and weights, too")
    ] = False,
) -> None:
    """Delete a study with its trials, curves and history, in Optuna's tables, too."""
    from .search import hands, store

    with opened(storage, study) as (session, found):
        trials, epochs = sum(store.counts(session, found).values()), store.epochs_in(session, found)
        what = f"Study {study!r} has {trials:,} trials, {epochs:,} epochs"
        what += f"; its files in {found.spec['folder']} {'go, too' if files else 'stay'}"
    with _changing(storage) as engine:
        if not yes:
            typer.confirm(f"{what}. Delete it?", abort=True)
        gone = hands.delete(engine, study, files=files)
    print(f"deleted study {study!r}: {gone.trials:,} trials, {gone.epochs:,} epochs")
    for folder in gone.folders:
        print(f"deleted {folder}")
    if files and not gone.folders:
        print("there were no files of it")


@command("foveate stop cluttered-digits-resnet8 --wait")
def stop(
    study: Name,
    storage: Storage = DATABASE,
    wait: Annotated[bool, typer.Option("--wait", help="Until nobody searches it")] = False,
) -> None:
    """Ask those who search a study to end, cleanly; every finished epoch is kept."""
    from .search import hands, store

    with opened(storage, study) as (_, found):
        study_id = found.id
    with _changing(storage) as engine:
        asked = hands.stop(engine, study)
        who = "1 driver" if asked == 1 else f"{asked} drivers"
        seconds = store.BEAT.seconds
        if not asked:
            print(f"nobody searches study {study!r}")
            return
        print(f"asked {who} of study {study!r} to end, at the next sign of life in {seconds} s")
        if wait:
            hands.wait_until_stopped(engine, study_id)
            print(f"nobody searches study {study!r} any more")


@command('foveate enqueue cluttered-digits-resnet8 --place "layer3.*=eca"')
def enqueue(
    study: Name,
    places: Annotated[
        list[str] | None,
        typer.Option(
            "--place",
            metavar="SITES=MODULE",
            help="Of one placement: a path or a glob of sites, and what stands there; repeatable",
        ),
    ] = None,
    placements: Annotated[
        list[str] | None,
        typer.Option("--placement", metavar="JSON", help="A placement as spelled; repeatable"),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="A placement a line, of either kind"),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Of --place, where the study has several")
    ] = None,
    storage: Storage = DATABASE,
) -> None:
    """Have placements of your own tried next, all of them or none."""
    from sqlalchemy.orm import Session

    from .search import asked, store
    from .spaces import place

    if not (places or placements or file):
        raise BadValue("say what to try: --place, --placement or --from")
    with opened(storage, study) as (_, found):
        spec, size = found.spec, found.images["size"]
        space = asked.space_of(found)
    base = backbone or spec["space"]["backbone"]
    wanted = [place(base, places, image_size=size)] if places else []
    wanted += [asked.spelled(text, size) for text in placements or []]
    wanted += asked.read_placements(file, base, size) if file else []
    with _changing(storage) as engine, Session(engine) as session:
        found = store.locked(session, store.find_study(session, study).id)
        added = asked.enqueue(session, found, wanted, space)
        lines = [f"trial {one.number} waits: {one.gflops:.4g} GFLOPs" for one in added]
        lines = [
            line + ("" if one.chosen is not None else "; it lies outside of the space")
            for line, one in zip(lines, added, strict=True)
        ]
        session.commit()
    print("\n".join(lines))


@command('foveate note cluttered-digits-resnet8 --trial 12 "try this one on all the images"')
def note(
    study: Name,
    text: Annotated[str, typer.Argument(help="A line, or more")],
    trial: Annotated[int | None, typer.Option(help="Note it on this one")] = None,
    storage: Storage = DATABASE,
) -> None:
    """Note something on a study, or on one of its trials; `foveate show` shows it."""
    from .search import hands

    with _changing(storage) as engine:
        hands.note(engine, study, text, trial=trial)
    print(f"noted on {'study' if trial is None else f'trial {trial} of study'} {study!r}")


@command("foveate look cluttered-digits-resnet8 --trial 12")
def look(
    study: Name,
    trial: Annotated[int, typer.Option(help="A fully trained one")],
    images: Annotated[
        int | None, typer.Option(min=1, max=24, help="Of the validation split; default: the spec's")
    ] = None,
    storage: Storage = DATABASE,
) -> None:
    """Draw where a trial looks on a few images, for the dashboard."""
    from .search import drawn

    with _changing(storage) as engine:
        file = drawn.draw_looks(engine, study, trial, images)
    for site in file.about["sites"]:
        print(f"{site['site']}: {site['module']}: {site.get('what') or site['why']}")
    print(f"on {len(file.about['images'])} images, in {file.address}, {file.bytes:,} bytes")


@command("foveate copy digits --to postgresql://me@server/db --as digits-here")
def copy(
    study: Name,
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="Database; default: the same")
    ] = None,
    new: Annotated[str | None, typer.Option("--as", metavar="NAME", help="Its name there")] = None,
    storage: Storage = DATABASE,
) -> None:
    """Copy a whole study, with its Optuna study, to another database or name."""
    from .search import moving
    from .search.databases import shown

    if to is None and new is None:
        raise BadValue("say where to: --to another database, or --as another name")
    trials, epochs = moving.copy(storage, study, to or storage, new)
    where = shown(to or storage)
    print(f"study {new or study!r} is in {where}: {trials:,} trials, {epochs:,} epochs")


@command("foveate merge digits-on-the-laptop digits --from sqlite:///laptop.db")
def merge(
    study: Name,
    into: Annotated[str, typer.Argument(help="The study that gets its trials")],
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="Database of STUDY; default: the same"),
    ] = None,
    storage: Storage = DATABASE,
) -> None:
    """Bring the trials of a study into another one of the same data, space and recipe.

    The seed of the recipe may differ: then placements are there several times, and the pages show
    how far luck moves them.
    """
    from sqlalchemy.orm import Session

    from .search import merging, moving, store
    from .search.databases import open_database

    if study == into and source is None:
        raise BadValue("a study cannot be merged into itself")
    old = open_database(source or storage)
    with _changing(storage) as engine, moving.snapshot(old) as before, Session(before) as there:
        found = store.find_study(there, study)
        with Session(engine) as session, session.begin():
            whole = store.locked(session, store.find_study(session, into).id)
            merged = merging.merge(there, found, session, whole)
    old.dispose()
    print(f"study {study!r} into {into!r}: {merged}")


@command("foveate data cluttered-digits-resnet8 --out figures --format parquet")
def data(
    study: Name,
    out: Annotated[Path, typer.Option(help="Folder to write")],
    format: Annotated[str, typer.Option(help="csv, json or parquet")] = "csv",
    storage: Storage = DATABASE,
) -> None:
    """Write everything that is recorded of a study, for other programs."""
    from .search import frames

    for path in frames.write(frames.load_study(study, storage=storage), out, format):
        print(path)


@command("foveate report cluttered-digits-resnet8 --out report.html")
def report(
    study: Name,
    out: Annotated[Path, typer.Option(help="File to write")] = Path("report.html"),
    storage: Storage = DATABASE,
) -> None:
    """Write a study as one HTML file that needs nothing else: charts, tables, settings."""
    from .dashboards.report import write

    size = write(storage, study, out)
    print(f"the report of study {study!r} is in {out}: {size / 1e6:.1f} MB")


@command("foveate health cluttered-digits-resnet8")
def health(study: Name, storage: Storage = DATABASE) -> None:
    """How a study is doing, and what to do about it."""
    from .search.health import findings

    with opened(storage, study) as (session, found):
        for one in findings(session, found):
            print(f"{one.level:<4} {one.what}")
            if one.advice:
                print(f"     -> {one.advice}")


@contextmanager
def opened(storage: str, name: str) -> "Iterator[tuple[Session, Study]]":
    """The study called ``name``, for reading."""
    from sqlalchemy.orm import Session

    from .search import store
    from .search.databases import open_database

    with Session(open_database(storage, read_only=True)) as session:
        yield session, store.find_study(session, name)


@contextmanager
def _changing(storage: str) -> "Iterator[Engine]":
    from .search.databases import open_database

    engine = open_database(storage)
    try:
        yield engine
    finally:
        engine.dispose()


def console(plain: bool = False) -> "Console":
    """The terminal; a file or a pipe has no edge."""
    from rich.console import Console

    out = Console(force_terminal=False) if plain else Console()
    if not out.is_terminal:
        out.width = 200
    return out
