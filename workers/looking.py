"""Where a trained network looks: what its attention does at each position of a few images."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from .. import attention
from ..spaces.placement import Placement
from ..spaces.plugging import plugged
from .data import Images, Split
from .factors import factors, is_flat, lengths, same_everywhere

__all__ = ["LOOKS", "chosen", "look"]

LOOKS = "attention.zip"
PICTURE, MAP = 256, 64  # pixels a side at most: a file has up to 200 kB an image and 8 kB a map
CONTRAST = 0.1  # of its middle, from black to white at least: what hardly differs looks so

RECTANGLE = "the rectangle that it attends to"
SHARE = "the share of its attention that a position gets"
FACTOR = (
    "the factor by which it multiplies what is at a position, apart from each channel's own; 1 is "
    "the image's mean"
)
LENGTH = (
    "how many times as long the vector of channels at a position is behind it as before it; 1 is "
    "the image's mean"
)
WHY = {
    "weight": "it attends to the weights of a convolution, and to no position of an image",
    "mixer": "it takes the place of a convolution: there is no before and behind to compare",
}


def look(
    model: nn.Module, placement: Placement, images: Images, count: int, seed: int
) -> tuple[dict[str, Any], bytes]:
    """What the modules of ``placement`` do in ``model`` to ``count`` of the validation images.

    Returned is what there is to say of it, as plain data, and a file: a zip with that as
    ``about.json``, with ``image-I.png``, and ``map-I-S.png`` of each site S that shows a map: its
    positions from black to white over ``range``, and clear where nothing comes in. The model stays
    as it is.

    What a gate does to positions is measured, whatever it is: see ``factors``; where that says
    less than half of it, as when channels change places, see ``lengths``. Either is drawn relative
    to its mean in the image, so that one range of colours shows where in each of the images. What
    does the same at every position has no map. A module may say itself where it looks, by a
    method: the share of its attention that each position gets, ``attended(x)``, (N, H, W); or a
    rectangle in pixels, ``rectangle(x, image_size)``, with ``corners()``, (N, 4, 2).
    """
    split = images.validation
    places = chosen(split, count, seed)
    pictures = split.at(places)
    there = plugged(model, placement)
    told: dict[int, dict[str, Any]] = {}

    def tell(number: int, x: Tensor, y: Tensor) -> None:
        module, part = there[number]
        told[number] = _told(attention.entry(module.name).kind, part, x, y, images.size)

    x = split.normalised(pictures.to(split.device)).to(next(model.parameters()).device)
    with torch.no_grad(), _watched(model, [gate for _, gate in there], tell):
        logits = model(x).float().cpu()
    maps = {number: said.pop("maps") for number, said in told.items() if "maps" in said}
    about = {
        "version": 1,
        "size": min(PICTURE, images.size),
        "images": [
            {"index": place} | said
            for place, said in zip(places, _said(images, split.labels[places], logits), strict=True)
        ],
        "sites": [
            {"site": module.site, "module": module.name}
            | told.get(number, _nothing("it takes no part in what is computed of an image"))
            for number, (module, _) in enumerate(there)
        ],
    }
    return about, _packed(about, pictures, maps)


def chosen(split: Split, count: int, seed: int) -> list[int]:
    """Places of up to ``count`` images of ``split``, by chance, but a class twice only when all
    are there once; of more images with the same ``seed``, they are the first.
    """
    labels = split.labels if split.labels.ndim == 1 else split.labels.argmax(1)
    names, turns = labels.tolist(), dict[int, int]()
    order = np.random.RandomState(seed).permutation(len(names)).tolist()  # numpy froze this stream
    found = []
    for place in order:
        turns[names[place]] = turns.get(names[place], 0) + 1
        found.append((turns[names[place]], place))
    return [place for _, place in sorted(found, key=lambda one: one[0])[:count]]


@contextmanager
def _watched(
    model: nn.Module, parts: Sequence[nn.Module], tell: Callable[[int, Tensor, Tensor], None]
) -> Iterator[None]:
    """``model``, as it is judged; ``tell`` hears what goes into each part, and what comes out."""

    def hears(number: int) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        return lambda part, args, y: tell(number, args[0].float(), y.float())

    modes = {part: part.training for part in model.modules()}
    hooks = [part.register_forward_hook(hears(n)) for n, part in enumerate(parts)]
    try:
        model.eval()
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for part, mode in modes.items():
            part.training = mode


def _told(kind: str, part: nn.Module, x: Tensor, y: Tensor, side: int) -> dict[str, Any]:
    """What there is to say of ``part``, which made ``y`` of ``x``; its ``maps`` among it."""
    own: Any = part
    if not (x.isfinite().all() and y.isfinite().all()):
        return _nothing("what it makes of these images is not finite")
    if hasattr(part, "rectangle"):
        corners = own.rectangle(x, (side, side)).corners().double().cpu().numpy() / side
        found = [{"corners": c.round(4).tolist(), "inside": _inside(c, side)} for c in corners]
        return {"shows": "rectangle", "what": RECTANGLE, "rectangles": found}
    if hasattr(part, "attended"):
        return _map(own.attended(x), SHARE)
    if kind != "gate":
        return _nothing(WHY[kind])
    if torch.equal(x, y):
        return _nothing("it leaves what it gets as it is")
    if same_everywhere(y - x, x):
        return _nothing("it adds the same at every position")
    if not x.any():
        return _nothing("nothing of these images comes in")
    a_NC, s_NHW, rest = factors(x, y)
    if rest > 0.5:
        return _map(_relative(lengths(x, y)), LENGTH)
    if is_flat(s_NHW):
        by_NC = (a_NC * s_NHW.nanmean((1, 2))[:, None]).nan_to_num(1.0)
        low, high = f"{by_NC.min():.3g}", f"{by_NC.max():.3g}"
        return _nothing(f"it multiplies each channel, by {low} to {high}, alike at every position")
    return _map(_relative(s_NHW), FACTOR)


def _nothing(why: str) -> dict[str, Any]:
    return {"shows": "nothing", "why": why}


def _relative(s_NHW: Tensor) -> Tensor:
    return s_NHW / s_NHW.nanmean((1, 2), keepdim=True)


def _map(s_NHW: Tensor, what: str) -> dict[str, Any]:
    """The map as it is kept, unless there is nothing to see on it."""
    if is_flat(s_NHW):
        return _nothing(f"{what} is the same everywhere")
    known_N1HW = (~s_NHW.isnan()).double()[:, None]
    height, width = (min(MAP, side) for side in s_NHW.shape[1:])
    share_N1HW = F.adaptive_avg_pool2d(known_N1HW, (height, width))
    sums_N1HW = F.adaptive_avg_pool2d(s_NHW.double().nan_to_num(0)[:, None], (height, width))
    maps = (sums_N1HW / share_N1HW)[:, 0].cpu().numpy()  # NaN where nothing is known
    low, high = np.nanmin(maps), np.nanmax(maps)
    middle, half = (low + high) / 2, max(high - low, CONTRAST * (low + high) / 2) / 2
    span = [float(f"{end:.6g}") for end in (middle - half, middle + half)]
    return {"shows": "map", "what": what, "range": span, "shape": [height, width], "maps": maps}


def _inside(corners: np.ndarray[Any, Any], side: int) -> float:
    """The share of the image's pixels whose middle is inside of the rectangle."""
    middles = (np.arange(side) + 0.5) / side
    points = np.stack(np.meshgrid(middles, middles), -1) - corners[0]
    inside = np.ones((side, side), bool)
    for edge in (corners[1] - corners[0], corners[3] - corners[0]):
        along = points @ edge
        inside &= (along >= 0) & (along <= edge @ edge)
    return round(float(inside.mean()), 4)


def _said(images: Images, labels: Tensor, logits: Tensor) -> Iterator[dict[str, Any]]:
    """What each image is, and what it is taken for: nothing, if its logits are no numbers."""
    names = images.classes
    shares = logits.sigmoid() if images.multi_label else logits.softmax(1)
    for label, share in zip(labels.cpu(), shares, strict=True):
        if images.multi_label:
            true, taken = label.nonzero()[:, 0].tolist(), (share >= 0.5).nonzero()[:, 0].tolist()
        else:
            true, taken = [int(label)], [int(share.argmax())] if share.isfinite().all() else []
        yield {
            "labels": [names[one] for one in true],
            "predicted": [
                {"label": names[one], "share": round(float(share[one]), 4)} for one in taken
            ],
        }


def _packed(about: dict[str, Any], pictures: Tensor, maps: dict[int, Any]) -> bytes:
    """The file; the same bytes for the same pictures and maps."""
    content = BytesIO()
    with ZipFile(content, "w") as file:

        def add(name: str, data: bytes) -> None:
            file.writestr(ZipInfo(name), data)

        add("about.json", json.dumps(about, ensure_ascii=False, allow_nan=False).encode())
        for number, picture in enumerate(pictures.permute(0, 2, 3, 1).numpy()):
            image = Image.fromarray(picture)
            image.thumbnail((PICTURE, PICTURE), Image.Resampling.BOX)
            add(f"image-{number}.png", _png(image))
        for site, values in maps.items():
            low, high = about["sites"][site]["range"]
            known = np.isfinite(values)
            grey = (
                ((np.where(known, values, low) - low) * (255 / (high - low))).clip(0, 255).round()
            )
            both = np.stack([grey, 255 * known], -1).astype(np.uint8)
            for number, one in enumerate(both):
                add(f"map-{number}-{site}.png", _png(Image.fromarray(one)))
    return content.getvalue()


def _png(image: Image.Image) -> bytes:
    content = BytesIO()
    image.save(content, "png", optimize=True)
    return content.getvalue()
