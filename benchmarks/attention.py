"""What attention costs in time and memory: beside timm and torchvision, and in a whole network.

    python benchmarks/attention.py             both parts, kept under results/
    python benchmarks/attention.py --quick     smaller maps and a smaller network, nothing kept

Beside its peer a module has the same weights and the same input; that the outputs are equal is
asserted before anything is timed. Times are medians of steps, forward plus backward, taken in
turns, so that a pause of the machine hits both. Memory is what the step holds at its end of the
forward pass for the backward pass; on a GPU it is the peak that the device reports.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import torch
from frame import Report, main
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from foveate import attention
from foveate.spaces import Placement, Space, SpaceSettings
from foveate.spaces.plugging import build

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
STAGES = [
    (256, 56),
    (512, 28),
    (1024, 14),
    (2048, 7),
]  # channels and pixels of ResNet-50's branches
BOTTLENECKS = [(64, 56), (128, 28), (256, 14), (512, 7)]  # of its 3x3 convolutions
QUICK = [(64, 16), (128, 8)]
Pair = tuple[nn.Module, nn.Module, dict[str, str]]  # ours, theirs, parameter of ours -> of theirs


def peers(name: str, channels: int, side: int) -> Iterator[tuple[str, Pair]]:
    """(library, (ours, theirs, which weights are the same)) for the module called ``name``."""
    from timm import layers
    from timm.layers.bottleneck_attn import BottleneckAttn
    from timm.layers.cbam import CbamModule
    from timm.layers.coord_attn import CoordAttn
    from torchvision.ops import SqueezeExcitation

    c, m, size = channels, max(1, channels // 16), (side, side)

    def gate(**chosen: Any) -> nn.Module:
        return attention.entry(name).build(c, size, **chosen)

    def instead(**chosen: Any) -> nn.Module:
        return attention.entry(name).wrap(nn.Conv2d(c, c, 3, padding=1), size, **chosen)

    mlp = {"squeeze": "fc1", "excite": "fc2"}
    if name == "se":
        yield "torchvision", (gate(), SqueezeExcitation(c, m), mlp)
        yield "timm", (gate(), layers.SEModule(c, rd_channels=m), mlp)
    if name in ("eca", "ceca"):
        theirs = layers.EcaModule if name == "eca" else layers.CecaModule
        yield "timm", (gate(), theirs(c), {"mix": "conv"})
    if name == "cbam":
        same = {"squeeze": "channel.fc1", "excite": "channel.fc2"}
        same |= {"conv": "spatial.conv.conv", "norm": "spatial.conv.bn"}
        yield "timm", (gate(), CbamModule(c, rd_channels=m, mlp_bias=True), same)
    if name == "gc":
        same = {"score": "conv_attn", "squeeze": "mlp_add.fc1", "norm": "mlp_add.norm"}
        same |= {"excite": "mlp_add.fc2"}
        other = layers.GlobalContext(c, fuse_add=True, fuse_scale=False, rd_channels=m)
        yield "timm", (gate(), other, same)
    if name == "ge":
        for extent in (0, 2, 4):  # timm 1.0.31 cannot build its form with weights
            other = layers.GatherExcite(c, extent=extent, use_mlp=False)
            yield f"timm, extent {extent}", (gate(extent=extent), other, {})
    if name == "coord":
        same = {"squeeze": "conv1", "norm": "bn1", "rows": "conv_h", "columns": "conv_w"}
        yield "timm", (gate(), CoordAttn(c, rd_channels=max(8, c // 32), bias=True), same)
    if name == "nonlocal":
        same = {"theta": "t", "phi": "p", "g": "g", "out": "z", "norm": "norm"}
        other = layers.NonLocalAttn(c, use_scale=False, rd_channels=c // 2)
        yield "timm", (gate(), other, same)
    if name == "sk":
        same = {f"convs.{i}": f"paths.{i}.conv" for i in range(2)}
        same |= {f"norms.{i}": f"paths.{i}.bn" for i in range(2)}
        same |= {"squeeze": "attn.fc_reduce", "squeeze_norm": "attn.bn", "select": "attn.fc_select"}
        other = layers.SelectiveKernel(
            c, groups=32, split_input=False, rd_channels=max(32, c // 16)
        )
        yield "timm", (instead(), other, same)
    if name == "mhsa":
        same = {"project": "qkv", "rows": "pos_embed.height_rel", "columns": "pos_embed.width_rel"}
        other = BottleneckAttn(c, feat_size=size, scale_pos_embed=True)
        yield "timm", (instead(), other, same)


def share_weights(ours: nn.Module, theirs: nn.Module, same: dict[str, str]) -> None:
    """Give ``theirs`` the weights of ``ours``, stirred so that nothing is at its start."""
    with torch.no_grad():
        for parameter in ours.parameters():
            fan = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter += 0.5 * fan**-0.5 * torch.randn_like(parameter)
        state, given = ours.state_dict(), 0
        for name, value in theirs.state_dict().items():
            for mine, other in same.items():
                if name == other or name.startswith(f"{other}."):
                    weights = state[mine + name.removeprefix(other)].reshape(value.shape)
                    # timm has mean and maximum in the other order
                    value.copy_(weights.flip(1) if other == "spatial.conv.conv" else weights)
                    given += value.numel()
        assert given == sum(value.numel() for value in theirs.state_dict().values())


def step(module: nn.Module, x: Tensor, weights: Tensor) -> Callable[[], None]:
    """One forward and backward pass."""

    def run() -> None:
        x.grad = None
        module.zero_grad(set_to_none=True)
        (module(x) * weights).sum().backward()

    return run


def times(ours: Callable[[], None], theirs: Callable[[], None], rounds: int) -> list[float]:
    """Seconds of a step of ours and of theirs: theirs the median, ours that times the median ratio.

    Both run in every round, in turns first and second, after one round that does not count. The
    ratio is taken within a round, so that what else the machine does hits both.
    """
    ratios, base = [], []
    for number in range(rounds + 1):
        spent = {}
        for run in (ours, theirs) if number % 2 else (theirs, ours):
            start = perf_counter()
            run()
            if DEVICE.type == "cuda":
                torch.cuda.synchronize()
            spent[run] = perf_counter() - start
        if number:
            ratios.append(spent[ours] / spent[theirs])
            base.append(spent[theirs])
    return [median(ratios) * median(base), median(base)]


def memory(module: nn.Module, x: Tensor) -> int:
    """Bytes: kept for the backward pass, or on a GPU the peak of a step."""
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        module(x).sum().backward()
        return torch.cuda.max_memory_allocated()
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # itself would be a cycle that is never freed

    with saved_tensors_hooks(note, lambda tensor: tensor):
        y = module(x)  # alive until the sum is taken: no address is used twice
    own = {p.untyped_storage().data_ptr() for p in module.parameters()}
    total = sum(size for place, size in kept.items() if place not in own)
    del y
    return total


def beside_peers(arguments: Namespace, report: Report, wanted: list[str]) -> None:
    rows = {}
    for name in wanted:
        shapes = QUICK if arguments.quick else STAGES
        if attention.entry(name).kind == "mixer" and not arguments.quick:
            shapes = BOTTLENECKS[2:] if name == "mhsa" else BOTTLENECKS
        if name == "nonlocal" and not arguments.quick:
            shapes = STAGES[1:3]
        spent: dict[str, list[float]] = {}
        held: dict[str, list[float]] = {}
        for channels, side in shapes:
            torch.manual_seed(0)
            for library, (ours, theirs, same) in peers(name, channels, side):
                share_weights(ours, theirs, same)
                x = torch.randn(arguments.batch, channels, side, side, device=DEVICE)
                x.requires_grad_()
                pair = [ours.to(DEVICE), theirs.to(DEVICE)]
                y, z = (module.eval()(x) for module in pair)
                off = ((y - z).abs().max() / z.abs().max()).item()
                assert off < 1e-4, f"{name} is not {library}'s: off by {off:.2g}"
                for _ in range(1 if arguments.quick else 4):
                    # maps in other places: where they lie makes several percent
                    x = torch.randn_like(x).requires_grad_()
                    weights = torch.randn_like(y)
                    steps = [step(module.train(), x, weights) for module in pair]
                    _add(spent, library, times(*steps, 10))
                _add(held, library, [memory(module, x) for module in pair])
        for library, (mine, other) in spent.items():
            label = f"{name}, time against {library}"
            report.target(label, mine / other, "<= 1.0")
            rows[f"{name} / {library}"] = {
                "milliseconds": [round(1000 * mine, 2), round(1000 * other, 2)],
                "memory": round(held[library][0] / max(1, held[library][1]), 3),
            }
    report.figures["ours and theirs, step over all shapes; memory as a ratio"] = rows


def _add(totals: dict[str, list[float]], key: str, more: Sequence[float]) -> None:
    totals[key] = [a + b for a, b in zip(totals.get(key, [0, 0]), more, strict=True)]


def in_a_network(arguments: Namespace, report: Report, wanted: list[str]) -> None:
    """Each module at its usual sites, against the bare network."""
    name, size = ("resnet18", 64) if arguments.quick else ("resnet50", 224)
    settings = SpaceSettings(backbone=name, modules=tuple(wanted), identity_init=False)
    baselines = Space(settings, size).baselines()
    batch = max(2, arguments.batch // 2)
    x = torch.randn(batch, 3, size, size, device=DEVICE)
    bare = build(Placement.of(name, []), 1000, image_size=size).to(DEVICE)
    held = memory(bare, x)
    weights = torch.randn(batch, 1000, device=DEVICE)
    rows = {}
    for origin, placement in baselines.items():
        if origin == "bare":
            continue
        model = build(placement, 1000, image_size=size).to(DEVICE)
        steps = [step(model, x, weights), step(bare, x, weights)]
        mine, other = times(*steps, 2 if arguments.quick else 3)
        rows[origin.removeprefix("everywhere:")] = {
            "time": round(mine / other, 3),
            "memory": round(memory(model, x) / held, 3),
            "milliseconds": [round(1000 * mine, 1), round(1000 * other, 1)],
        }
        del model, steps
    report.figures[f"at the usual sites of {name} at {size} pixels, against the bare network"] = (
        rows
    )


def measure(arguments: Namespace, report: Report) -> None:
    torch.set_num_threads(arguments.threads)
    wanted = arguments.only.split(",") if arguments.only else attention.names()
    report.figures["device"] = str(DEVICE)
    report.figures["batch and threads"] = [arguments.batch, arguments.threads]
    beside_peers(arguments, report, wanted)
    in_a_network(arguments, report, wanted)


if __name__ == "__main__":
    options = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--batch", type=int, default=8 if DEVICE.type == "cpu" else 64)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--only", default="", help="names of modules, with commas between")
    main("attention", measure, options)
