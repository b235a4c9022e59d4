"""What there is and what it costs, as tables for people."""

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from .. import attention
from .counting import Cost
from .networks import backbones, source_of
from .placement import REMOVE, Module
from .plugging import may_stand
from .site import Site, Survey
from .timing import Latency

__all__ = ["backbones_table", "costs_table", "latency_table", "sites_table", "units_table"]


def backbones_table() -> Table:
    """The names of the backbones, by where they come from."""
    table = _table("from", "backbones")
    for source, title in {
        "cifar": "for small images",
        "preact": "pre-activation and wide, for small images",
        "torchvision": "torchvision",
    }.items():
        names = [name for name in backbones() if source_of(name) == source]
        table.add_row(title, " ".join(names))
    table.add_row("timm, if it is installed", "timm:NAME, such as timm:resnet50d")
    table.add_row("you", "package.module:FUNCTION or path/to/nets.py:FUNCTION")
    table.add_row("options", "NAME@stem=small and NAME@width=0.5, or both, joined by a comma")
    return table


def sites_table(there: Survey, modules: Sequence[str]) -> Table:
    """The sites as a tree of stages and blocks, and which of ``modules`` may stand at each."""
    table = _table("site", "kind", "channels x H x W", "usually", "may stand", "may not")
    table.columns[4].justify = "right"
    stage, block = -1, ""
    for site in there.sites:
        if site.stage != stage:
            stage = site.stage
            table.add_row(f"[bold]stage {stage}[/]" if stage else "[bold]stem[/]")
        if site.block not in ("", block) and site.path != site.block:
            table.add_row(f"  {escape(site.block)}")
        block = site.block or block
        fitting = [n for n in modules if attention.entry(n).kind == "gate" or site.conv]
        able = [name for name in fitting if may_stand(name, site)]
        usual = [
            name
            for name in able
            if attention.entry(name).stands_at(site.kinds, site.stage, there.stages)
        ]
        if "existing" in site.kinds:
            usual = [REMOVE, "or a gate in its place"]
        table.add_row(
            _indented(site),
            " ".join(site.kinds),
            " x ".join(map(str, site.shape)),
            " ".join(usual) or "-",
            str(len(able)),
            " ".join(name for name in fitting if name not in able),
        )
    return table


def costs_table(bare: Cost, whole: Cost | None) -> Table:
    """What the backbone costs alone and, if there is any, with attention, and what that adds."""
    table = _table("", "parameters", "GFLOPs", "conv and matmul only", "peak activations")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, one in (("bare", bare), ("with attention", whole)):
        if one is not None:
            row = (f"{one.parameters:,}", f"{one.gflops:.6g}", f"{one.gmacs:.6g}", _mib(one))
            table.add_row(name, *row)
    if whole is None:
        return table
    added = whole - bare
    table.add_row(
        "added",
        f"{added.parameters:+,}",
        f"{added.gflops:+.4g}",
        f"{added.gmacs:+.4g}",
        f"{(whole.peak_bytes or 0) / 2**20 - (bare.peak_bytes or 0) / 2**20:+.2f} MiB",
    )
    table.add_row(
        "",
        f"{100 * added.parameters / bare.parameters:+.3f} %",
        f"{100 * added.operations / bare.operations:+.3f} %",
        f"{100 * added.macs / bare.macs:+.3f} %",
    )
    return table


def units_table(rows: Sequence[tuple[Module, Cost]]) -> Table:
    """What each module of a placement adds."""
    table = _table("site", "module", "parameters", "MFLOPs")
    for column in table.columns[2:]:
        column.justify = "right"
    for module, added in rows:
        mflops = f"{added.operations / 1e6:+.4g}"
        table.add_row(escape(module.site), str(module), f"{added.parameters:+,}", mflops)
    return table


def latency_table(rows: Mapping[str, Sequence[Latency]]) -> Table:
    """Measured milliseconds, each beside the first row's of the same batch."""
    table = _table("", "batch", "ms", "quartiles", "of bare")
    for column in table.columns[1:]:
        column.justify = "right"
    first = next(iter(rows.values()))
    for name, measured in rows.items():
        for one, base in zip(measured, first, strict=True):
            table.add_row(
                name,
                str(one.batch),
                f"{1000 * one.median_seconds:.4g}",
                f"{1000 * one.lower_quartile_seconds:.4g} to "
                f"{1000 * one.upper_quartile_seconds:.4g}",
                f"{one.median_seconds / base.median_seconds:.3f}",
            )
    return table


def _mib(one: Cost) -> str:
    return f"{(one.peak_bytes or 0) / 2**20:.2f} MiB"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading)
    return table


def _indented(site: Site) -> str:
    if site.path == site.block or not site.block:
        return f"  {escape(site.path)}"
    short = site.path.removeprefix(f"{site.block}.")
    return f"    {escape(short)}"
