"""A trained candidate as a folder that needs torch and torchvision only."""

import ast
import json
import re
import sys
from importlib import resources
from importlib.util import module_from_spec, spec_from_file_location
from inspect import getsource
from pathlib import Path
from string import Template
from textwrap import indent
from typing import Any

import torch
from sqlalchemy.orm import Session
from torch import nn

from .. import attention
from .._files import UNREACHABLE, read_file
from ..attention._plugins import is_main
from ..errors import BadValue, listed
from ..spaces import cifar, preact, reshaping
from ..spaces.networks import (
    backbone,
    described,
    own_source,
    size_for,
    source_of,
    surveyed,
    torchvision_arguments,
)
from ..spaces.own import argument_of
from ..spaces.placement import REMOVE, Module, Placement, draw
from ..spaces.plugging import _gated, _resized, attach, in_order
from ..spaces.site import stem_of
from . import front, pictures, store
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
    """Write ``model.py``, its weights, ``README.md`` and a picture of ``trial`` into ``out``.

    Raises
        BadValue  if the trial was not fully trained, its weights are not at hand, or ``out``
                  holds something else
    """
    if trial.state != "complete":
        raise BadValue(
            f"trial {trial.number} is {trial.state}: only fully trained trials can be exported"
        )
    try:
        weights = read_file(trial.weights or "")
    except UNREACHABLE:
        raise BadValue(
            f"the weights of trial {trial.number} are not at {trial.weights!r}"
        ) from None
    if out.exists() and (not out.is_dir() or {p.name for p in out.iterdir()} - _FILES):
        raise BadValue(f"{str(out)!r} holds other files; choose another folder with --out")
    spec = SearchSpec.of(study.spec)
    placement = Placement.parse(trial.placement)
    source = model_source(study, trial, spec, placement)
    out.mkdir(parents=True, exist_ok=True)
    (out / "weights.safetensors").write_bytes(weights)
    for name, text in beside(placement).items():
        (out / name).write_text(text, encoding="utf-8")
    (out / "model.py").write_text(source, encoding="utf-8")
    (out / "architecture.svg").write_text(pictures.as_file(study, placement), encoding="utf-8")
    (out / "README.md").write_text(card(study, trial, spec, placement), encoding="utf-8")
    return out


_FILES = {"model.py", "weights.safetensors", "README.md", "backbone.py", "reshaping.py"}
_FILES |= {"architecture.svg", "__pycache__"}


def beside(placement: Placement) -> dict[str, str]:
    """The files that ``model.py`` needs beside it: a backbone of the user's own, and what gives a
    backbone another stem or width.
    """
    found = {}
    if own := own_source(placement.backbone):
        found["backbone.py"] = own[1]
    if described(placement.backbone).base != placement.backbone:
        found["reshaping.py"] = getsource(reshaping)
    return found


def model_source(study: Study, trial: Trial, spec: SearchSpec, placement: Placement) -> str:
    """One importable file: the attention modules, the backbone, and how they are put together."""
    entries = [attention.entry(name) for name in placement.names]
    homes = {entry.cls.__module__: entry.source for entry in entries}
    files = [source for _, source in sorted(homes.items())]
    if inlined := _INLINED.get(source_of(placement.backbone)):
        files.append(getsource(inlined))
    imports, bodies = _joined(files)
    imports |= {
        "import json",
        "from functools import partial",
        "from pathlib import Path",
        "from typing import Any",
        "import torch",
        "from torch import Tensor, nn",
    }
    functions: list[Any] = [attach, _gated]
    if placement.image_size is not None:
        functions.append(_resized)
        imports |= {"from torch.nn.functional import interpolate"}
    if beside(placement):
        functions.append(_beside)
        imports |= {
            "import sys",
            "from importlib.util import module_from_spec, spec_from_file_location",
        }
    needed, building = _backbone(placement, spec.space.weights)
    statements = [*building, *_placing(placement, study, spec)]
    if placement.image_size is not None:
        statements.append(
            f"model.register_forward_pre_hook(partial(_resized, {placement.image_size}))"
        )
    template = resources.files(__package__).joinpath("model.py.template").read_text("utf-8")
    return Template(template).substitute(
        title=_harmless(f"Trial {trial.number} of study {study.name!r}"),
        drawing=_harmless(draw(placement, study.sites)),
        needs=_needs(placement),
        imports="\n".join(_sorted(imports | needed)),
        classes=json.dumps(study.classes, ensure_ascii=False),
        size=int(study.images["size"]),
        mean=[float(value) for value in study.images["mean"]],
        std=[float(value) for value in study.images["std"]],
        modules="\n\n\n".join([*bodies, *(getsource(f).rstrip() for f in functions)]),
        building=indent("\n".join(statements), "    "),
    )


def _harmless(text: str) -> str:
    """``text`` for a docstring, which it cannot end."""
    return text.replace("\\", "/").replace('"', "'")


_INLINED = {"cifar": cifar, "preact": preact}  # backbones of ours


def _beside(name: str) -> Any:
    """The module in the file ``name`` that lies beside this one."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = spec_from_file_location(f"{path.parent.name}_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _needs(placement: Placement) -> str:
    """What has to be installed."""
    source, base = source_of(placement.backbone), described(placement.backbone).base
    if source == "timm":
        return "torch, torchvision and timm"
    if source != "own":
        return "torch and torchvision only"
    text = own_source(base)
    others = _imported(text[1]) if text else {base.partition(":")[0].partition(".")[0]}
    return listed(["torch", "torchvision", *sorted(others)]) + ("" if others else " only")


def _imported(text: str) -> set[str]:
    """The packages that a file imports, beside torch's and the standard library's."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found - {"torch", "torchvision", "", *sys.stdlib_module_names}


def _backbone(placement: Placement, weights: str | None) -> tuple[set[str], list[str]]:
    """The imports and the statements that build the bare backbone."""
    chosen, source = described(placement.backbone), source_of(placement.backbone)
    base, classes = chosen.base, "len(CLASSES)"
    imports: set[str] = set()
    with torch.device("meta"):
        made = backbone(base, _UNUSUAL)
    head = []
    if source in _INLINED:
        numbers = "".join(f"{number}, " for number in re.findall(r"\d+", base))
        call = f"{type(made).__name__}({numbers}{classes})"
    elif source == "timm":
        imports.add("import timm")
        call = f"timm.create_model({base.removeprefix('timm:')!r}, num_classes={classes})"
    elif source == "own":
        module, _, function = base.partition(":")
        if own_source(base):
            function = f"_beside('backbone').{function}"
        else:
            imports.add(f"from {module} import {function} as _backbone")
            function = "_backbone"
        keyword = {"": "", "*": classes}.get(takes := argument_of(base), f"{takes}={classes}")
        call = f"{function}({keyword})"
        if not takes:
            path, linear = _head(made)
            bias = linear.bias is not None
            new = f"nn.Linear({linear.in_features}, {classes}, bias={bias})"
            head = [f"model.set_submodule({path!r}, {new})"]
    else:
        imports.add("import torchvision")
        given = {"weights": None} | torchvision_arguments(base, weights)
        keywords = "".join(f"{key}={value!r}, " for key, value in given.items())
        call = f"torchvision.models.{base}({keywords}num_classes={classes})"
    statements = [f"model = {call}", *head]
    if base != placement.backbone:
        size = size_for(placement.backbone)
        statements.append('reshaping = _beside("reshaping")')
        if chosen.stem == "small":
            leaves = stem_of(made, size)
            statements.append(f"reshaping.small_stem(model, {leaves!r}, image_size={size})")
        if chosen.width != 1:
            statements.append(f"reshaping.scale_width(model, {chosen.width!r}, image_size={size})")
    return imports, statements


_UNUSUAL = 7919  # classes: a number that no layer has otherwise


def _head(model: nn.Module) -> tuple[str, nn.Linear]:
    """The path of the linear layer that gives the logits of ``_UNUSUAL`` classes."""
    return next(
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == _UNUSUAL
    )


def card(study: Study, trial: Trial, spec: SearchSpec, placement: Placement) -> str:
    """What a reader of the folder has to know."""
    extra = trial.gflops - study.bare_gflops
    modules = "\n".join(
        f"- `{m.site}`: {m} ({_paper(m)})".removesuffix(" ()") for m in placement.modules
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


def _paper(module: Module) -> str:
    return "" if module.name == REMOVE else attention.entry(module.name).paper


def _placing(placement: Placement, study: Study, spec: SearchSpec) -> list[str]:
    """The statements that put each module in its place, weights aside."""
    there = surveyed(placement.backbone, placement.image_size or study.images["size"])
    lines: list[str] = []
    for module in in_order(placement.modules):
        site, path = there.at(module.site), repr(module.site)
        assert site is not None  # it was trained there
        emptied = f"model.set_submodule({path}, nn.Identity())"  # of what the backbone has there
        if "existing" in site.kinds and emptied not in lines:
            lines.append(emptied)
        if module.name == REMOVE:
            continue
        entry, host = attention.entry(module.name), f"model.get_submodule({path})"
        given: dict[str, Any] = {"identity_init": spec.space.identity_init}
        given |= dict(module.hyperparameters)
        if wrong := [key for key in given if not key.isidentifier()]:
            raise BadValue(f"{module.name} has no hyper-parameter {wrong[0]!r}")
        keywords = ", ".join(f"{key}={value!r}" for key, value in given.items())
        if entry.takes_size:
            shape = site.shape if entry.kind == "gate" else site.input_shape
            keywords = f"size={shape[1:]}, {keywords}"
        if entry.kind != "gate":
            lines.append(f"model.set_submodule({path}, {entry.cls.__name__}({host}, {keywords}))")
        else:
            lines.append(f"attach({host}, {entry.cls.__name__}({site.shape[0]}, {keywords}))")
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
