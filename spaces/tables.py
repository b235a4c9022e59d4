"""What there is and what it costs, as tables for people."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from .. import attention
from .counting import Cost
from .placement import Module, Placement
from .plugging import completed, may_stand
from .site import Site, Survey

__all__ = ["costs", "sites"]


def sites(there: Survey, modules: Sequence[str], about: str) -> Table:
    """The sites as a tree: stages, their blocks, and what may stand at each."""
    table = Table(box=None, pad_edge=False, caption=about, caption_justify="left")
    for heading in ("site", "kind", "channels x H x W", "usually", "can stand", "cannot"):
        table.add_column(heading, justify="right" if heading == "can stand" else "left")
    stage, block = -1, ""
    for site in there.sites:
        if site.stage != stage:
            stage, block = site.stage, ""
            table.add_row(f"[bold]stage {stage}[/]" if stage else "[bold]stem[/]")
        if site.block != block:
            block = site.block
            if site.path != block and block.partition(".")[0]:
                table.add_row(f"  {block}")
        able = [name for name in modules if may_stand(name, site)]
        usual = [
            name
            for name in able
            if attention.entry(name).stands_at(site.kinds, site.stage, there.stages)
        ]
        gates = [n for n in modules if attention.entry(n).kind == "gate" or site.conv is not None]
        table.add_row(
            _indented(site),
            " ".join(site.kinds),
            " x ".join(map(str, site.shape)),
            " ".join(usual) or "-",
            str(len(able)),
            " ".join(name for name in gates if name not in able),
        )
    return table


def _indented(site: Site) -> str:
    if not site.block:
        return f"  {site.path}"
    if site.path == site.block:
        return f"  {site.path} [dim](its output)[/]"
    inside = site.path.startswith(f"{site.block}.")
    return f"    {site.path.removeprefix(site.block) if inside else site.path}"


def costs(bare: Cost, placement: Placement, there: Survey, whole: Cost) -> Table:
    """What a placement costs, beside the bare backbone."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in ("parameters", "GFLOPs", "of it conv and matmul", "peak activations"):
        table.add_column(heading, justify="right")
    for name, one in (("bare", bare), ("placement", whole)):
        table.add_row(
            name,
            f"{one.parameters:,}",
            f"{one.gflops:.6g}",
            f"{one.gmacs:.6g}",
            f"{one.peak_bytes / 2**20:.2f} MiB",
        )
    extra = whole.operations - bare.operations
    table.add_row(
        "extra",
        f"{whole.parameters - bare.parameters:+,}",
        f"{extra / 1e9:+.6g}",
        f"{(whole.macs - bare.macs) / 1e9:+.6g}",
        f"{(whole.peak_bytes - bare.peak_bytes) / 2**20:+.2f} MiB",
    )
    table.add_row(
        "",
        f"{100 * (whole.parameters / bare.parameters - 1):+.3f} %",
        f"{100 * extra / bare.operations:+.3f} %",
    )
    return table
