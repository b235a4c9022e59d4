"""The command line: parses, calls, prints."""

import shlex
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from .cli_study import COMMANDS, DATABASE, Storage
from .cli_study import console as _console
from .cli_study import opened as _study
from .errors import BadValue, UnknownName, UserError, listed

if TYPE_CHECKING:
    from rich.console import Console

    from .attention import Entry
    from .spaces import SpaceSettings

__all__ = ["app", "main"]

app = typer.Typer(
    help="Which attention module, at which place of a CNN, with which hyper-parameters?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # our mistakes are plain tracebacks
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(help="The database of the studies.", no_args_is_help=True)
app.add_typer(db, name="db")
BACKBONE = "resnet50, timm:NAME, nets.py:FUNCTION, ...; options: resnet50@stem=small,width=0.5"
P = ParamSpec("P")

Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="FILE", help="Registers modules of your own; repeatable"),
]


def command(
    example: str, *, of: typer.Typer = app
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A command of ours: a user's mistake is one sentence on stderr and status 2."""

    def add(function: Callable[P, None]) -> Callable[P, None]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except UserError as error:
                print(f"foveate: {error}", file=sys.stderr)
                raise typer.Exit(2) from None

        return of.command(epilog=f"Example: {example}")(run)

    return add


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Which attention module, at which place of a CNN, with which hyper-parameters?"""
    if show:
        from importlib.metadata import version as installed

        print(installed("foveate"))
        raise typer.Exit


@command("foveate search --trials 40 --set space.backbone=resnet14 --set recipe.epochs=20")
def search(
    spec: Annotated[str | None, typer.Argument(help="YAML file; none: the default search")] = None,
    study: Annotated[str | None, typer.Option(help="Name; default: data set and backbone")] = None,
    storage: Storage = DATABASE,
    trials: Annotated[
        int | None, typer.Option(help="Of the whole study, baselines included")
    ] = None,
    time_budget: Annotated[str | None, typer.Option(help="Of this run: 90s, 10m, 1.5h")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change a setting; repeatable"),
    ] = None,
    plugins: Plugins = None,
    warm: Annotated[
        list[str] | None,
        typer.Option(
            "--warm-start",
            metavar="STUDY[@URL]",
            help="Try the best placements of another study first; repeatable",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the results go; default: results/STUDY")
    ] = None,
    plain: Annotated[bool, typer.Option(help="A line per trial, also on a terminal")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Bring an older database up to date without asking")
    ] = False,
) -> None:
    """Search, or go on with a search that was interrupted."""
    from .search.patience import DatabaseGone
    from .search.run import run, storage_words
    from .search.spec import SearchSpec

    wanted = list(changes or [])
    wanted += [] if trials is None else [f"trials={trials}"]
    wanted += [] if time_budget is None else [f"time_budget={time_budget!r}"]
    settings = SearchSpec.read(spec, wanted, plugins or ())
    _up_to_date(storage, yes)
    console = _console(plain)
    name = study or settings.default_name
    try:
        results = out or Path("results") / name
        outcome = run(settings, name, storage, console, results, warm or ())
    except DatabaseGone as error:
        console.print(f"Interrupted: {error}", markup=False, highlight=False, soft_wrap=True)
        outcome = "interrupted"
    except KeyboardInterrupt:  # before the first candidate, after the last, or again
        console.print("Interrupted; every finished epoch is kept.", highlight=False)
        outcome = "interrupted"
    if outcome in ("interrupted", "time budget", "asked to stop"):
        again = ["foveate", "search", *([spec] if spec else [])]
        again += ["--study", study] if study else []
        again += storage_words(storage)
        again += [word for change in changes or [] for word in ("--set", change)]
        again += [word for path in plugins or [] for word in ("--plugin", path)]
        again += ["--trials", str(trials)] if trials else []
        console.print(f"Go on: {shlex.join(again)}", soft_wrap=True, markup=False, highlight=False)
    if outcome == "interrupted":
        raise typer.Exit(130)
    if outcome in ("failing alike", "all failed"):
        raise typer.Exit(1)


for _function, _example in COMMANDS.items():
    command(_example)(_function)


@command("foveate front cluttered-digits-resnet8 --format csv > front.csv")
def front(
    study: Annotated[str, typer.Argument(help="Name of the study")],
    storage: Storage = DATABASE,
    format: Annotated[str, typer.Option(help="table, csv or json")] = "table",
) -> None:
    """Print the accuracy-versus-GFLOPs front of a study, and the baselines beside it."""
    from .search import report

    if format not in ("table", "csv", "json"):
        raise BadValue(f"--format may be table, csv or json, got {format!r}")
    with _study(storage, study) as (session, found):
        on_front, baselines = report.front_and_baselines(session, found)
    if format == "csv":
        print(report.as_csv(on_front), end="")
    elif format == "json":
        print(report.as_json(on_front))
    else:
        console = _console()
        console.print(report.as_table(on_front, "The front, cheapest first"))
        console.print()
        console.print(report.as_table(baselines, "Baselines, best first (*: on the front)"))


@command("foveate replay cluttered-digits-resnet8 --workers 8 --repeats 50")
def replay(
    study: Annotated[str, typer.Argument(help="Name of the study")],
    storage: Storage = DATABASE,
    workers: Annotated[int, typer.Option(min=1, help="Virtual trainings at once")] = 1,
    repeats: Annotated[int, typer.Option(min=2, help="Searches, in different orders")] = 20,
) -> None:
    """Which stopping rule suits the task: what each would have saved of a study, and lost."""
    from .search import replay as replays
    from .search import store
    from .search.stopping import Stopping

    with _study(storage, study) as (session, found):
        candidates = replays.recorded(session, found)
        stopped = store.counts(session, found)["stopped"]
        settings = Stopping.of(found.spec["stopping"])
    console = _console()
    baselines = sum(one.is_baseline for one in candidates)
    console.print(
        f"{len(candidates)} fully trained candidates, {baselines} of them baselines, proposed in "
        f"{repeats} orders to {workers} virtual workers\n",
        highlight=False,
        soft_wrap=True,
    )
    console.print(replays.as_table(candidates, settings, repeats=repeats, workers=workers))
    notes = [replays.legend(candidates, settings)]
    if stopped:
        notes.append(
            f"{stopped} trials of this study were stopped early and cannot be replayed: those that "
            "are left did well at its rungs, so its own rule looks better here than it is."
        )
    console.print("\n" + " ".join(notes), highlight=False, soft_wrap=True)


@command("foveate export cluttered-digits-resnet8 --knee --out my-model")
def export(
    study: Annotated[str, typer.Argument(help="Name of the study")],
    out: Annotated[Path, typer.Option(help="Folder to write; of onnx and pt2, the file")],
    best: Annotated[bool, typer.Option("--best", help="The most accurate")] = False,
    knee: Annotated[bool, typer.Option("--knee", help="The best trade-off of the front")] = False,
    max_gflops: Annotated[float | None, typer.Option(help="The most accurate within")] = None,
    trial: Annotated[int | None, typer.Option(help="This trial")] = None,
    format: Annotated[str, typer.Option(help="module, onnx or pt2 (of torch.export)")] = "module",
    storage: Storage = DATABASE,
) -> None:
    """Write a trained candidate as model.py, weights and a card; torch and torchvision run it.

    What was written is run in a process of its own and compared with what was trained.
    """
    from .search import export as exports
    from .search import formats

    formats.checked_format(format)
    with _study(storage, study) as (session, found):
        one = exports.chosen(
            session, found, best=best, knee=knee, max_gflops=max_gflops, number=trial
        )
        same = formats.write(found, one, format, out)
    share = 100 * (one.accuracy or 0.0)
    print(f"trial {one.number} ({share:.2f} %, {one.gflops:.4g} GFLOPs) is in {out}")
    print(f"checked: {same}")


@command("foveate dashboard --port 8080")
def dashboard(
    storage: Storage = DATABASE,
    host: Annotated[
        str, typer.Option(help="Address to bind; others than this machine's need a token")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="FOVEATE_TOKEN",
            help="What a visitor has to show; in a file or the environment nobody else sees it",
        ),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="Holds the token")] = None,
    generate_token: Annotated[
        bool, typer.Option("--generate-token", help="Make one, and print it in the address")
    ] = False,
    allowed_hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed-host", metavar="NAME", help="Of this server, also *.NAME; repeatable"
        ),
    ] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy",
            help="Believe X-Forwarded-Proto and X-Forwarded-For of the proxy in front",
        ),
    ] = False,
    exports: Annotated[
        Path | None,
        typer.Option(help="Folder to keep exported trials in for a while; default: a temporary"),
    ] = None,
    allow_launch: Annotated[
        bool,
        typer.Option(
            "--allow-launch",
            help="Let who has the token start and stop searches, and so run code as you; without "
            "a token one is made",
        ),
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="A recorded search in place of a database")
    ] = False,
) -> None:
    """Serve the studies of a database as a page that follows a running search."""
    from contextlib import nullcontext

    from .dashboards.app import serve
    from .dashboards.demo import unpacked
    from .dashboards.tokens import generated, read_token

    if [token is not None, token_file is not None, generate_token].count(True) > 1:
        raise BadValue("choose one of --token (or FOVEATE_TOKEN), --token-file, --generate-token")
    if token_file is not None:
        token = read_token(token_file)
    generate_token |= allow_launch and token is None
    if generate_token:
        token, path = generated()
        print(f"The token is in {path}, too.", file=sys.stderr)
    try:
        with unpacked() if demo else nullcontext(storage) as served:
            serve(
                served,
                host=host,
                port=port,
                token=token,
                show_token=generate_token,
                allowed_hosts=allowed_hosts or (),
                behind_proxy=behind_proxy,
                exports=exports,
                allow_launch=allow_launch,
            )
    except UnknownName as error:  # there is no database
        raise UnknownName(f"{error}; `foveate dashboard --demo` shows a recorded one") from None


@command("foveate pack images/flowers --image-size 224")
def pack(
    path: Annotated[str, typer.Argument(help="A folder with one for each class, or a table.csv")],
    image_size: Annotated[int, typer.Option(min=8, max=1024, help="Pixels a side")] = 224,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: the cache, FOVEATE_CACHE")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="That decode at once; default: all cores")
    ] = None,
    broken: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of pictures that may be unreadable")
    ] = 0.01,
) -> None:
    """Decode pictures once, ahead of a search; a search of them then starts at once."""
    from time import perf_counter

    from .workers import packs
    from .workers.folder import image_folder, table

    source = table(path) if path.lower().endswith(".csv") else image_folder(path)
    folder = out or packs.cache_folder(source, image_size)
    start = perf_counter()
    new = packs.write(source, image_size, folder, broken=broken, workers=workers)
    seconds = perf_counter() - start
    made = packs.open_pack(folder)
    made.check(broken)
    count = sum(len(part.labels) for part in made.parts.values())
    how = f"packed in {seconds:.1f} s, {count / seconds:,.0f} a second" if new else "already there"
    print(f"{count:,} images of {len(made.classes)} classes in {folder}: {how}")
    for name, part in made.parts.items():
        print(f"  {name}: {len(part.labels):,} images, {part.broken:,} broken")
        for file, reason in part.named:
            print(f"    {file}: {reason}")
    words = ["--set", f"data.name=pack:{folder}" if out else f"data.name={source.name}"]
    words += [] if out or image_size == 224 else ["--set", f"data.image_size={image_size}"]
    words += [] if broken == 0.01 else ["--set", f"data.broken={broken:g}"]
    print(f"Search them: foveate search {shlex.join(words)}")


@command("foveate modules cram --backbone resnet50")
def modules(
    name: Annotated[str | None, typer.Argument(help="Show this one, with its formula")] = None,
    backbone: Annotated[str, typer.Option(help="What the costs are added to")] = "resnet50",
    image_size: Annotated[int, typer.Option(min=8, help="Pixels a side")] = 224,
    plugins: Plugins = None,
) -> None:
    """List the attention modules, and what each adds at its usual sites in a backbone."""
    from rich.table import Table

    from . import attention
    from .spaces import Placement, Space, cost

    settings = _everything(backbone, plugins)
    shown = [attention.entry(name).name] if name else settings.modules
    placements = Space(settings, image_size).baselines()
    bare = cost(Placement.of(backbone, []), image_size)
    about = (
        f"bare {backbone} at {image_size} pixels: "
        f"{bare.parameters:,} parameters, {bare.gflops:.4g} GFLOPs"
    )
    rows = {}
    for one in shown:
        units, parameters, mflops, percent = "0", "-", "-", "-"  # it may stand nowhere
        if placement := placements.get(f"everywhere:{one}"):
            added = cost(placement, image_size) - bare
            units, parameters = str(len(placement.modules)), f"{added.parameters:+,}"
            mflops = f"{added.operations / 1e6:+.4g}"
            percent = f"{100 * added.operations / bare.operations:+.3f}"
        rows[one] = (units, parameters, mflops, percent)
    console = _console()
    if name:
        _show_module(console, attention.entry(name))
        units, parameters, mflops, percent = rows[name]
        console.print(
            f"{units} of them at these sites: {parameters} parameters, {mflops} MFLOPs "
            f"({percent} %); {about}",
            highlight=False,
            soft_wrap=True,
        )
        return
    table = Table(box=None, pad_edge=False, caption=about, caption_justify="left")
    for heading in ("module", "attends to", "at", "units"):
        table.add_column(heading)
    for heading in ("parameters", "MFLOPs", "%"):
        table.add_column(heading, justify="right")
    table.add_column("hyper-parameters", min_width=24)
    table.add_column("paper", max_width=40)
    for one, figures in rows.items():
        entry = attention.entry(one)
        choices = [
            f"{key} {'/'.join(map(str, choice.values))} ({choice.default})"
            for key, choice in sorted(entry.hyperparameters.items())
        ]
        table.add_row(
            one,
            entry.attends,
            entry.places,
            *figures,
            "; ".join(choices) or "-",
            entry.paper.removeprefix("https://") or "-",
        )
    console.print(table)


def _show_module(console: "Console", entry: "Entry") -> None:
    """All that there is to say of one module; its formula is in its documentation."""
    lines = [f"{entry.name} ({entry.kind}) attends to {entry.attends}.", "", entry.documentation]
    lines += ["", "Hyper-parameters" if entry.hyperparameters else "No hyper-parameters"]
    for key, choice in sorted(entry.hyperparameters.items()):
        values = listed(map(repr, choice.values), last="or")
        lines.append(f"    {key:<16} {values}; default {choice.default!r}")
    lines += ["", f"Stands at {entry.places}", f"Paper: {entry.paper or 'none'}", ""]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


@command("foveate sites mobilenet_v3_small --image-size 128")
def sites(
    backbone: Annotated[str | None, typer.Argument(help=f"{BACKBONE}; none: list them")] = None,
    image_size: Annotated[int, typer.Option(min=8, help="Pixels a side")] = 224,
    plugins: Plugins = None,
) -> None:
    """Print the places of a backbone as a tree, and what may stand there."""
    from .spaces import Placement, cost
    from .spaces.networks import surveyed
    from .spaces.tables import backbones_table, sites_table

    if backbone is None:
        _console().print(backbones_table())
        return
    settings = _everything(backbone, plugins)
    name = settings.backbone
    bare = cost(Placement(name), image_size)
    console = _console()
    console.print(sites_table(surveyed(name, image_size), settings.modules))
    console.print(
        f"\n{name} at {image_size} pixels: {bare.parameters:,} parameters, "
        f"{bare.gflops:.4g} GFLOPs ({bare.gmacs:.4g} counting convolutions and products only)",
        highlight=False,
    )


@command('foveate cost resnet50 --place "layer3.*=eca" --place "layer4.*.conv2=aw(reduction=8)"')
def cost(
    backbone: Annotated[str, typer.Argument(help=BACKBONE)],
    places: Annotated[
        list[str] | None,
        typer.Option(
            "--place",
            metavar="SITES=MODULE",
            help="A path or a glob of sites, and what stands there; repeatable",
        ),
    ] = None,
    image_size: Annotated[int, typer.Option(min=8, help="Pixels a side")] = 224,
    classes: Annotated[int, typer.Option(min=1, help="Of the head")] = 1000,
    measured: Annotated[
        bool, typer.Option("--latency", help="Measure it, too, for batches of 1 and 64")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="To measure on: cpu, cuda; default: a GPU if there is one")
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Price a placement that is written by hand; without one, the bare backbone."""
    from .spaces import Placement, build, draw, place
    from .spaces import cost as price
    from .spaces.costs import breakdown
    from .spaces.networks import surveyed
    from .spaces.tables import costs_table, latency_table, units_table
    from .spaces.timing import latencies

    name = _everything(backbone, plugins).backbone
    placement = place(name, places or (), image_size=image_size)
    bare, whole = (price(one, image_size, classes) for one in (Placement(name), placement))
    console = _console()
    there = surveyed(name, image_size)
    drawn = draw(placement, [site.to_dict() for site in there.sites])
    console.print(
        f"{name} at {image_size} pixels, {classes} classes: {drawn}\n",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print(costs_table(bare, whole if placement.modules else None))
    if placement.modules:
        console.print()
        console.print(units_table(breakdown(placement, image_size)))
    if measured:
        built = {
            title: build(one, classes, image_size=image_size)
            for title, one in {"bare": Placement(name), "with attention": placement}.items()
            if title == "bare" or one.modules
        }
        rows = latencies(built, image_size, device=device)
        console.print()
        console.print(latency_table(rows))
        about = rows["bare"][0]
        console.print(f"on {about.device}, {about.threads} threads", highlight=False)


@command("foveate db upgrade --storage postgresql://me@host/studies", of=db)
def upgrade(
    storage: Storage = DATABASE,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking")] = False,
) -> None:
    """Bring the tables of an older version up to date; a file is copied before."""
    from .search.databases import REVISION, shown

    if not _up_to_date(storage, yes, asked=True):
        print(f"{shown(storage)} holds tables of version {REVISION}: there is nothing to do")


@command("foveate db check", of=db)
def check(storage: Storage = DATABASE) -> None:
    """Say what is wrong with a database, a line each with what to do; status 1 if anything is."""
    from .search.check import findings
    from .search.databases import shown

    wrong = findings(storage)
    for line in wrong:
        print(line)
    if wrong:
        raise typer.Exit(1)
    print(f"{shown(storage)} is as it should be")


def _up_to_date(storage: str, yes: bool, *, asked: bool = False) -> bool:
    """Bring an older database up to date, if the user wants it; whether it was older.

    Unless they have ``asked`` for that, one that is not there yet is as good.
    """
    from .search import upgrade as upgrades
    from .search.databases import REVISION, shown

    try:
        there = upgrades.older(storage)
    except UnknownName:
        if asked:
            raise
        return False
    if there is None:
        return False
    where = shown(storage)
    print(f"{where}: {there}; this program writes version {REVISION}")
    if there.is_file:
        print("A copy of the file is made beside it first.")
    else:
        print("Make a backup first: what is brought up to date does not go back.")
    if not yes:
        if not sys.stdin.isatty():
            ways = "say --yes" if asked else "`foveate db upgrade`, or --yes, brings it up to date"
            raise BadValue(f"{where} is of an older version, and nobody can be asked: {ways}")
        if not typer.confirm("Bring it up to date now?"):
            raise BadValue(f"{where} stays of version {there.version}")
    copy = upgrades.upgrade(storage)
    print(f"It is of version {REVISION} now" + (f"; as it was: {copy}" if copy else ""))
    return True


def _everything(backbone: str, plugins: list[str] | None) -> "SpaceSettings":
    """Every module at its usual sites of ``backbone``, those of ``plugins`` too."""
    from .search.spec import SearchSpec

    space = {"backbone": backbone, "modules": ["all"], "identity_init": False}
    return SearchSpec.of({"plugins": plugins or [], "space": space}).space


def main() -> None:
    """What the command ``foveate`` runs."""
    app()


if __name__ == "__main__":
    main()
