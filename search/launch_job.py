"""What a page has to know before it starts a search, from a process of its own."""

import re
from pathlib import Path
from typing import Any

import yaml

from .. import attention
from ..errors import BadValue, UserError
from ..spaces.networks import backbones
from ..spaces.settings import PRESETS
from ..spaces.site import KINDS
from ..spaces.space import Space
from ..workers.data import DATASETS, PICTURES, Data
from ..workers.folder import image_folder, table
from ..workers.packs import open_pack
from .objectives import COSTS
from .samplers import NAMES
from .speaking import Say, answering
from .spec import SearchSpec

__all__ = ["choices", "preview"]

ABOUT = {  # words of sentences that name no setting
    "data set": "data.name",
    "imagefolder:": "data.name",
    "table:": "data.name",
    "pack": "data.name",
    "attention module": "space.modules",
    "backbone": "space.backbone",
}
CIFAR = {"cifar10": 10, "cifar100": 100}  # classes; of 32 pixels, and perhaps not downloaded yet


def choices() -> dict[str, Any]:
    """What a search can be made of, and what is taken where nothing is said."""
    return {
        "data.name": [*DATASETS, *PICTURES.values()],
        "space.backbone": list(backbones()),
        "space.preset": list(PRESETS),
        "space.modules": [
            {"name": entry.name, "says": f"attends to {entry.attends}", "paper": entry.paper}
            for entry in map(attention.entry, attention.names())
        ],
        "space.kinds": [kind for kind in KINDS if kind != "named"],
        "objectives": list(COSTS),
        "sampler.name": list(NAMES),
        "usual": SearchSpec().to_dict(),
    }


def preview(text: str) -> dict[str, Any]:
    """What a search by the spec ``text`` has ahead of it; images of a folder are only listed.

    Raises
        UserError  if the spec cannot be meant
    """
    spec = SearchSpec.of(_document(text))
    if spec.data.name in DATASETS and spec.data.name not in CIFAR:
        images, space = spec.prepare()
        size, classes = images.size, len(images.classes)
    else:
        size, classes = _looked_at(spec.data)
        space = Space(spec.space, size)
    count = f"{space.size:,}" if space.size < 10**15 else f"{float(space.size):.3g}"
    return {
        "name": spec.default_name,
        "placements": count if space.size_is_exact else f"at most {count}",
        "bare": space.cost(space.base, classes).gflops,
        "dearest": space.dearest_gflops,
        "image_size": size,
        "classes": classes,
        "trials": spec.trials,
        "epochs": spec.recipe.epochs,
        "workers": spec.workers,
        "elsewhere": spec.resources.address is not None or spec.resources.packing == "auto",
        "data": spec.data.name,
        "backbone": spec.space.backbone,
        "time_budget": spec.time_budget,
    }


def _document(text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1}"
        raise BadValue(f"this is no YAML{where}") from None
    if not isinstance(document, dict | None):
        raise BadValue(f"a spec holds settings, got {type(document).__name__}")
    return document or {}


def _looked_at(data: Data) -> tuple[int, int]:
    """Pixels a side and the number of classes, as far as known without reading an image."""
    kind, _, path = data.name.partition(":")
    if kind in CIFAR:
        return data.image_size or 32, CIFAR[kind]
    if kind == "pack":
        pack = open_pack(Path(path).expanduser())
        return pack.size, len(pack.classes)
    source = table(path) if kind == "table" else image_folder(path)
    return data.image_size or 224, len(source.classes)


def field_of(message: str) -> str | None:
    """The setting that a sentence is about, as the spec spells it, if that can be told."""
    usual = SearchSpec().to_dict()
    found = re.match(r"(\w+):", message)
    if found and found[1] in usual:
        return found[1]
    for path in re.findall(r"[a-z_]+\.[a-z_]+", message):
        section, _, key = path.partition(".")
        if isinstance(usual.get(section), dict) and key in usual[section]:
            return str(path)
    return next((key for word, key in ABOUT.items() if word in message), None)


def launch_job(request: dict[str, Any], say: Say) -> dict[str, Any]:
    """The choices, or the preview of a text."""
    if "text" not in request:
        return choices()
    try:
        return preview(request["text"])
    except UserError as error:
        return {"error": str(error), "field": field_of(str(error))}


if __name__ == "__main__":
    answering(launch_job)
