"""AW-convolution: what a kernel for each image costs beside one kernel for all.

Times a training step (forward and backward, no optimiser) of ResNet-50 at 224 pixels with a batch
of 8: bare, with AW in place of all its 3x3 convolutions, and the same by the grouped convolution
that is the reference. Then single layers, and the small network of the default search. All are
medians of repetitions that take turns, on one thread, or on the GPU if there is one.

    python benchmarks/aw.py [--quick] [--json]
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from frame import Report, main
from torch import Tensor, nn
from torch.nn import functional as F

from foveate import Placement, attention
from foveate.spaces import Module, build, sites

AW = attention.entry("aw")
LAYERS = [  # images, channels, pixels, stride: those of ResNet-50, then of the default search
    (8, 64, 56, 1),
    (8, 128, 56, 2),
    (8, 128, 28, 1),
    (8, 256, 28, 2),
    (8, 256, 14, 1),
    (8, 512, 14, 2),
    (8, 512, 7, 1),
    (32, 16, 16, 1),
    (32, 32, 8, 1),
    (32, 64, 4, 1),
]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
Step = Callable[[], object]


def milliseconds(steps: dict[str, Step], repetitions: int) -> dict[str, float]:
    """The median of each step; the steps take turns, so that they share what disturbs them."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repetition in range(-1, repetitions):  # the first one only warms up
        for name, step in steps.items():
            _wait()
            start = perf_counter()
            step()
            _wait()
            if repetition >= 0:
                times[name].append(1000 * (perf_counter() - start))
    return {name: median(of) for name, of in times.items()}


def _wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def reference(model: nn.Module) -> nn.Module:
    """``model`` with every AW-convolution computed by the grouped convolution."""
    for module in model.modules():
        if isinstance(module, AW.cls):
            module.forward = module.grouped  # type: ignore[method-assign, assignment]
    return model


def network(name: str, pixels: int, images: int, layout: torch.memory_format) -> dict[str, Step]:
    """A training step of the bare network, of AW everywhere, and of its reference."""
    there = [site.path for site in sites(name, pixels) if "conv" in site.kinds]
    everywhere = Placement.of(name, [Module(path, "aw") for path in there])
    models = {
        "plain": build(Placement(name), 10, image_size=pixels),
        "ours": build(everywhere, 10, image_size=pixels),
        "grouped": reference(build(everywhere, 10, image_size=pixels)),
    }
    x = torch.randn(images, 3, pixels, pixels, device=DEVICE).to(memory_format=layout)
    labels = torch.randint(10, (images,), device=DEVICE)

    def step_of(model: nn.Module) -> Step:
        model.to(DEVICE, memory_format=layout)  # type: ignore[call-overload]

        def step() -> None:
            model.zero_grad()
            F.cross_entropy(model(x), labels).backward()

        return step

    return {key: step_of(model) for key, model in models.items()}


def layer(
    images: int, channels: int, pixels: int, stride: int, share: str, layout: torch.memory_format
) -> tuple[dict[str, Step], float]:
    """The steps of one layer, and the largest difference of ours to the reference, relative."""
    conv = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
    module = AW.wrap(conv, (pixels, pixels), share=share)
    module.to(DEVICE, memory_format=layout)  # type: ignore[call-overload]
    x = torch.randn(images, channels, pixels, pixels, device=DEVICE).to(memory_format=layout)
    upstream = torch.randn_like(conv(x))
    leaves = [x.requires_grad_(), *module.parameters()]

    def step_of(forward: Callable[[Tensor], Tensor]) -> Callable[[], list[Tensor]]:
        def step() -> list[Tensor]:
            for leaf in leaves:
                leaf.grad = None
            y = forward(x)
            y.backward(upstream)
            return [y.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

        return step

    steps = {
        "plain": step_of(conv),
        "ours": step_of(module),
        "grouped": step_of(module.grouped),  # type: ignore[arg-type]
    }
    pairs = zip(steps["ours"](), steps["grouped"](), strict=True)
    difference = max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)
    return dict(steps), difference


def shown(times: dict[str, float]) -> str:
    plain = times["plain"]
    ratios = ", ".join(f"{key} x {times[key] / plain:.2f}" for key in ("ours", "grouped"))
    return f"plain {plain:.1f} ms, {ratios}"


def measure(arguments: Namespace, report: Report) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    quick = arguments.quick
    layouts = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}

    torch.backends.cudnn.allow_tf32 = False  # differences in full float32
    differences = [
        layer(*shape, share, layout)[1]
        for shape in LAYERS
        for share in ("in", "out")
        for layout in layouts.values()
    ]
    torch.set_float32_matmul_precision("high")  # times as one trains on a GPU; a CPU takes no note
    torch.backends.cudnn.allow_tf32 = True

    times = milliseconds(network("resnet50", 224, 8, layouts["contiguous"]), 2 if quick else 9)
    bound = "<= 1.5" if DEVICE == "cuda" else "<= 2"
    report.target("AW step / plain R50 step", times["ours"] / times["plain"], bound)
    report.target("AW step / grouped reference step", times["ours"] / times["grouped"], "<= 1")
    millionths = 1e6 * max(differences)
    report.target("largest difference to the reference, 1e-6 of the largest", millionths, "<= 10")
    report.figures["ResNet-50, contiguous"] = shown(times)
    if not quick:
        times = milliseconds(network("resnet50", 224, 8, layouts["channels last"]), 5)
        report.figures["ResNet-50, channels last"] = shown(times)
    for spelled, layout in layouts.items():
        steps = network("resnet8", 16, 32, layout)
        report.figures[f"ResNet-8 at 16 pixels, {spelled}"] = shown(milliseconds(steps, 50))
    for share in ("in",) if quick else ("in", "out"):
        for spelled, layout in layouts.items():
            for images, channels, pixels, stride in LAYERS[3:] if quick else LAYERS:
                steps, _ = layer(images, channels, pixels, stride, share, layout)
                name = f"{images} x {channels} x {pixels} x {pixels}, stride {stride}"
                key = f"{name}, share {share}, {spelled}"
                report.figures[key] = shown(milliseconds(steps, 5 if quick else 15))


if __name__ == "__main__":
    main("aw", measure, ArgumentParser(description=__doc__.splitlines()[0]))
