"""Every attention module in every torchvision CNN: found, built, run, trained, exported.

For each network: its sites are found by inspection; every attention module is put at a random
site that allows it, of any kind. With ``identity_init`` the logits have to be those of the bare
network, to 1e-4 (of the largest logit, where an untrained network has some above 1; in float64,
since deep untrained networks make of a last bit in float32 what they like). The authors' start has
to give finite logits and gradients; ``torch.export`` has to take it and give the same logits.
Attention that the network already has is swapped or removed in a second placement.

    python benchmarks/backbones.py [--quick] [--json]     (--quick: one network of each family)
"""

import gc
import sys
import warnings
from argparse import Namespace
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import torch
from frame import Report, main

from foveate import attention
from foveate.spaces import Module, Placement, build, complete, plug
from foveate.spaces.networks import backbone, backbones, source_of, surveyed
from foveate.spaces.plugging import may_stand
from foveate.spaces.site import Site

FAMILIES = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "vgg11_bn",
    "wide_resnet50_2",
]


def pixels(name: str) -> int:
    """As small as the network takes."""
    return 96 if name in ("inception_v3", "alexnet") else 64


def scattered(name: str, size: int, rng: Random) -> Placement:
    """Every module once, with random hyper-parameters, at a random site that allows it."""
    there = surveyed(name, size)
    free = [site for site in there.sites if "existing" not in site.kinds]
    modules, replaced = [], set()
    for module in attention.names():
        entry = attention.entry(module)
        able = [site for site in free if may_stand(module, site)]
        if entry.kind != "gate":
            able = [site for site in able if site.path not in replaced]
        if not able:
            continue
        site = rng.choice(able)
        if entry.kind != "gate":
            replaced.add(site.path)
        modules.append(Module(site.path, module, drawn(module, rng)))
    return complete(Placement.of(name, modules), size)


def drawn(module: str, rng: Random) -> dict[str, Any]:
    choices = attention.entry(module).hyperparameters
    return {key: rng.choice(choice.values) for key, choice in choices.items()}


def swapped(name: str, size: int, rng: Random) -> Placement:
    """Each attention that the network has, removed or replaced by another."""

    def instead(site: Site) -> Module:
        able = [n for n in attention.names() if may_stand(n, site)]
        chosen = rng.choice([n for n in able if attention.entry(n).kind == "gate"])
        return Module(site.path, chosen, drawn(chosen, rng))

    there = [site for site in surveyed(name, size).sites if "existing" in site.kinds]
    modules = [
        Module(site.path, "remove") if number % 3 == 2 else instead(site)
        for number, site in enumerate(there)
    ]
    return complete(Placement.of(name, modules), size)


def checked(name: str, seed: int = 0) -> dict[str, Any]:
    """What is found out about one network; ``failures`` says what does not hold."""
    size, rng = pixels(name), Random(f"{name} {seed}")
    torch.manual_seed(seed)
    failures = []
    sites = surveyed(name, size).sites
    placement = scattered(name, size, rng)
    x = torch.randn(2, 3, size, size)

    model, exact = backbone(name, 10).double(), x.double()
    with torch.no_grad():
        model.train()(exact)  # so that the running statistics are not those of a new network
        bare = model.eval()(exact)
        same = plug(model, placement, image_size=size, identity_init=True).eval()(exact)
    apart = float((same - bare).abs().max() / bare.abs().max().clamp(min=1))
    if not apart <= 1e-4:
        failures.append(f"with identity_init the logits are {apart:.2g} apart")
    del model
    for one in (placement, swapped(name, size, rng)):
        if not one.modules:
            continue
        model = build(one, 10, image_size=size).train()
        loss = model(x).square().mean()
        loss.backward()
        missing = [n for n, p in model.named_parameters() if p.grad is None]
        broken = [
            n
            for n, p in model.named_parameters()
            if p.grad is not None and not p.grad.isfinite().all()
        ]
        if missing or broken or not loss.isfinite():
            failures.append(f"gradients missing {missing[:3]}, not finite {broken[:3]}")
        model.eval().zero_grad()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.export.export(model, (x,)).module()(x)
            differ = float((exported - model(x)).abs().max() / (1e-6 + exported.abs().max()))
        if not differ <= 1e-4:
            failures.append(f"exported, the logits are {differ:.2g} apart")
        del model, exported
        gc.collect()
    kinds = [kind for site in sites for kind in site.kinds]
    return {
        "blocks": kinds.count("block"),
        "stages": kinds.count("stage"),
        "sites": len(sites),
        "own attention": kinds.count("existing"),
        "modules": len(placement.modules),
        "apart": f"{apart:.1e}",
        "failures": "; ".join(failures) or "none",
    }


def measure(arguments: Namespace, report: Report) -> None:
    every = [name for name in backbones() if source_of(name) == "torchvision"]
    rows: dict[str, dict[str, Any]] = {}
    for name in FAMILIES if arguments.quick else every:
        start = perf_counter()
        try:
            rows[name] = checked(name)
        except Exception as error:  # the others still have to be seen
            rows[name] = {"failures": f"{type(error).__name__}: {error}"[:200]}
        rows[name]["seconds"] = round(perf_counter() - start, 1)
        print(f"  {name}: {rows[name]}", file=sys.stderr)
    failed = [name for name, row in rows.items() if row["failures"] != "none"]
    report.target("torchvision CNNs that fail", len(failed), "<= 0")
    report.target("torchvision CNNs", len(rows), f">= {len(FAMILIES)}")
    report.target(
        "modules put into each, median",
        median(row.get("modules", 0) for row in rows.values()),
        ">= 20",
    )
    report.figures["networks"] = rows


if __name__ == "__main__":
    main("backbones", measure)
