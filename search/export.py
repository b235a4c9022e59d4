"""A trained candidate as a folder that needs torch and torchvision only."""

import ast
import json
import shutil
from importlib import resources
from inspect import getsource
from pathlib import Path
from string import Template
from textwrap import indent
from typing import Any

from sqlalchemy.orm import Session

from .. import attention
from ..attention._plugins import is_main
from ..errors import BadValue
from ..spaces import cifar
from ..spaces.networks import source_of
from ..spaces.placement import Placement, draw
from ..spaces.plugging import _gated, attach
from . import front, store
from .records import Study, Trial
from .spec import SearchSpec

__all__ = ["chosen", "export"]


def chosen(
    session: Session,
    study: Study,
    *,
    best: bool = False,
    knee: bool = False,
    max_gflops: float | None = None,
    number: int | None = None,
) -> Trial:
    """The trial that is meant: of the front the most accurate, the knee, the most accurate within
    ``max_gflops``; or trial ``number``.

    Raises
        BadValue  unless exactly one is asked for, and if nothing answers to it
    """
    if [best, knee, max_gflops is not None, number is not None].count(True) != 1:
        raise BadValue("choose one of --best, --knee, --max-gflops and --trial")
    if number is not None:
        return store.find_trial(session, study, number)
    members = store.front_trials(session, study)
    if not members:
        raise BadValue(f"study {study.name!r} has no fully trained trial yet")
    if knee:
        return members[front.knee([(t.accuracy or 0.0, t.gflops) for t in members])]
    if max_gflops is not None:
        within = [trial for trial in members if trial.gflops <= max_gflops]
        if not within:
            cheapest = members[0]
            raise BadValue(
                f"nothing on the front is within {max_gflops:g} GFLOPs; the cheapest, trial "
                f"{cheapest.number}, has {cheapest.gflops:.6g}"
            )
        members = within
    return max(members, key=lambda trial: (trial.accuracy or 0.0, -trial.gflops))


def export(study: Study, trial: Trial, out: Path) -> Path:
    """Write ``model.py``, ``weights.safetensors`` and ``README.md`` of ``trial`` into ``out``.

    Raises
        BadValue  if the trial was not fully trained, its weights are not at hand, or ``out``
                  holds something else
    """
    if trial.state != "complete":
        raise BadValue(
            f"trial {trial.number} is {trial.state}: only fully trained trials can be exported"
        )
    if not trial.weights or not Path(trial.weights).is_file():
        raise BadValue(f"the weights of trial {trial.number} are not at {trial.weights!r}")
    if out.exists() and (not out.is_dir() or {p.name for p in out.iterdir()} - _FILES):
        raise BadValue(f"{str(out)!r} holds other files; choose another folder with --out")
    spec = SearchSpec.of(study.spec)
    placement = Placement.parse(trial.placement)
    source = model_source(study, trial, spec, placement)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(trial.weights, out / "weights.safetensors")
    (out / "model.py").write_text(source, encoding="utf-8")
    (out / "README.md").write_text(card(study, trial, spec, placement), encoding="utf-8")
    return out


_FILES = {"model.py", "weights.safetensors", "README.md", "__pycache__"}


def model_source(study: Study, trial: Trial, spec: SearchSpec, placement: Placement) -> str:
    """One importable file: the attention modules, the backbone, and how they are put together."""
    entries = [attention.entry(name) for name in placement.names]
    homes = {entry.cls.__module__: entry.source for entry in entries}
    files = [source for _, source in sorted(homes.items())]
    is_cifar = source_of(placement.backbone) == "cifar"
    if is_cifar:
        files.append(getsource(cifar))
    imports, bodies = _joined(files)
    if is_cifar:
        depth = placement.backbone.removeprefix("resnet")
        backbone = f"CifarResNet({depth}, len(CLASSES))"
    else:
        imports |= {"import torchvision"}
        backbone = (
            f"torchvision.models.{placement.backbone}(weights=None, num_classes=len(CLASSES))"
        )
    attaching = [getsource(function).rstrip() for function in (attach, _gated)]
    imports |= {
        "import json",
        "from functools import partial",
        "from pathlib import Path",
        "from typing import Any",
        "import torch",
        "from torch import Tensor, nn",
    }
    template = resources.files(__package__).joinpath("model.py.template").read_text("utf-8")
    return Template(template).substitute(
        title=f"Trial {trial.number} of study {study.name!r}",
        drawing=draw(placement, study.sites),
        imports="\n".join(_sorted(imports)),
        classes=json.dumps(study.classes, ensure_ascii=False),
        size=study.images["size"],
        mean=study.images["mean"],
        std=study.images["std"],
        modules="\n\n\n".join([*bodies, *attaching]),
        backbone=backbone,
        placing=indent("\n".join(_placing(placement, study, spec)) or "pass", "    "),
    )


def card(study: Study, trial: Trial, spec: SearchSpec, placement: Placement) -> str:
    """What a reader of the folder has to know."""
    extra = trial.gflops - study.bare_gflops
    modules = "\n".join(
        f"- `{m.site}`: {m} ({attention.entry(m.name).paper})".removesuffix(" ()")
        for m in placement.modules
    )
    template = resources.files(__package__).joinpath("card.md.template").read_text("utf-8")
    return Template(template).substitute(
        title=f"{placement.backbone}, trial {trial.number} of {study.name}",
        drawing=draw(placement, study.sites),
        modules=modules or "- none: the bare backbone",
        data=spec.data.name,
        accuracy=f"{100 * (trial.accuracy or 0):.2f} %",
        gflops=f"{trial.gflops:.6g}",
        extra=f"{1000 * extra:.4g} MFLOPs, {100 * extra / study.bare_gflops:.2f} %",
        parameters=f"{trial.parameters:,}",
        epochs=trial.epochs,
        seed=spec.recipe.seed,
        key=trial.key,
        versions=", ".join(f"{name} {number}" for name, number in study.versions.items()),
    )


def _placing(placement: Placement, study: Study, spec: SearchSpec) -> list[str]:
    """The statements that put each module in its place, weights aside."""
    shapes = {site["path"]: site for site in study.sites}
    lines = []
    for module in placement.modules:
        entry, site = attention.entry(module.name), repr(module.site)
        given: dict[str, Any] = {"identity_init": spec.space.identity_init}
        given |= dict(module.hyperparameters)
        keywords = ", ".join(f"{key}={value!r}" for key, value in given.items())
        host = f"model.get_submodule({site})"
        if entry.takes_size:
            side = "shape" if entry.kind == "gate" else "input_shape"
            keywords = f"size={tuple(shapes[module.site][side][1:])}, {keywords}"
        if entry.kind != "gate":
            lines.append(f"model.set_submodule({site}, {entry.cls.__name__}({host}, {keywords}))")
        else:
            channels = shapes[module.site]["shape"][0]
            lines.append(f"attach({host}, {entry.cls.__name__}({channels}, {keywords}))")
    return lines


def _joined(files: list[str]) -> tuple[set[str], list[str]]:
    """The imports from outside of all files, and what else is in each, without registrations."""
    imports: set[str] = set()
    bodies = []
    for text in files:
        tree = ast.parse(text)
        kept: list[str] = []
        lines = text.split("\n")
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.level or _is_ours(node.module or "")):
                continue  # the registry
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports.add(ast.unparse(node))
                continue
            if ast.get_docstring(tree) is not None and node is tree.body[0]:
                continue  # the file's own docstring
            if is_main(node):
                continue
            above = []
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                others = [d for d in node.decorator_list if not _is_registration(d)]
                above = [f"@{ast.unparse(decorator)}" for decorator in others]
            kept.append("\n".join([*above, *lines[node.lineno - 1 : node.end_lineno]]))
        bodies.append("\n\n\n".join(kept))
    return imports, bodies


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "foveate"


def _is_registration(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "register"


def _sorted(imports: set[str]) -> list[str]:
    """Standard library first, ``__future__`` before all, then a blank line, then torch."""
    heavy = {line for line in imports if line.split()[1].split(".")[0] in ("torch", "torchvision")}
    light = sorted(imports - heavy, key=lambda line: ("__future__" not in line, line))
    return [*light, "", *sorted(heavy)]
