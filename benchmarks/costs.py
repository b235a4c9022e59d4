"""What it costs to know what a placement costs.

Prices random placements of the ``full`` space of ResNet-50 at 224 pixels, one after the other on
one core: added up from the backbone and from each module at its site, against counting a forward
pass of the whole network, ours and ``torch.utils.flop_counter``'s, on the meta device. Then the
time of 10,000 placements sampled, made canonical and priced, from a cold start. The sums are
checked against the counted passes.

    python benchmarks/costs.py [--quick] [--json]
"""

import sys
from argparse import Namespace
from collections.abc import Callable
from random import Random
from statistics import median
from time import perf_counter

import torch
from frame import Report, main
from torch.utils.flop_counter import FlopCounterMode

from foveate.spaces import Placement, Space, SpaceSettings, build, complete, count

PIXELS, CLASSES = 224, 1000


def seconds(step: Callable[[], object]) -> float:
    start = perf_counter()
    step()
    return perf_counter() - start


def on_meta(placement: Placement) -> torch.nn.Module:
    with torch.device("meta"):
        return build(placement, CLASSES, image_size=PIXELS, identity_init=True).eval()


def flops(model: torch.nn.Module) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, PIXELS, PIXELS, device="meta"))
    return counter.get_total_flops()


def measure(arguments: Namespace, report: Report) -> None:
    torch.set_num_threads(1)
    many, some = (2_000, 5) if arguments.quick else (10_000, 15)
    space = Space(SpaceSettings(preset="full", backbone="resnet50"), PIXELS)
    rng = Random(0)

    def next_one() -> Placement:
        return complete(space.sample(rng), PIXELS)

    start = perf_counter()
    for number in range(many):
        space.cost(next_one(), CLASSES)
        if number % 1000 == 999 and not arguments.json:
            print(f"  {number + 1:,}: {perf_counter() - start:.1f} s", file=sys.stderr)
    all_of_them = perf_counter() - start

    placements = [next_one() for _ in range(200)]
    ours = [seconds(lambda p=p: space.cost(p, CLASSES)) for p in placements]
    counted, theirs, differ = [], [], 0
    for placement in placements[:some]:
        model = on_meta(placement)
        counted.append(seconds(lambda m=model: count(m, 1, 3, PIXELS, PIXELS)))
        theirs.append(seconds(lambda m=model: flops(m)))
        whole, added = count(model, 1, 3, PIXELS, PIXELS), space.cost(placement, CLASSES)
        differ += (whole, whole.peak_bytes) != (added, added.peak_bytes)
        differ += 2 * added.macs != flops(model)
    bare = on_meta(Placement("resnet50"))
    alone = median(seconds(lambda: flops(bare)) for _ in range(some))
    report.target("placements whose sum is not the count of the whole", differ, "<= 0")
    report.target("milliseconds of a placement, median of 200", 1000 * median(ours), "<= 5")
    report.target(f"seconds of {many:,} from a cold start", all_of_them, "<= 20")
    report.figures["modules in a placement, mean"] = round(
        sum(len(p.modules) for p in placements) / len(placements), 1
    )
    report.figures["times faster"] = {
        "than counting the whole network": {
            "ratio": round(median(counted) / median(ours)),
            "ms": round(1000 * median(counted), 1),
        },
        "than torch.utils.flop_counter on it": {
            "ratio": round(median(theirs) / median(ours)),
            "ms": round(1000 * median(theirs), 1),
        },
        "than flop_counter on the bare ResNet-50": {
            "ratio": round(alone / median(ours)),
            "ms": round(1000 * alone, 1),
        },
    }


if __name__ == "__main__":
    main("costs", measure)
