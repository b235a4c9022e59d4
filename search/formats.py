"""A trained candidate in the formats that others read, and the proof that it is still the same."""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import BadValue, listed
from ..spaces.counting import count
from ..spaces.networks import described, torchvision_arguments
from ..spaces.placement import Placement
from ..spaces.plugging import build
from ..spaces.reshaping import first_line, on_meta
from .export import export
from .records import Study, Trial
from .spec import SearchSpec

__all__ = ["FORMATS", "checked_format", "write", "zipped"]

FORMATS = {  # each with the packages that it takes
    "module": (),
    "onnx": ("onnx", "onnxscript"),
    "pt2": (),
}
NEAR = 1e-4  # of the largest logit: what rounding in another order may change
IMAGES = 3  # to compare on
PATIENCE = 600.0  # seconds for a process that compares
EPOCH = (1980, 1, 1, 0, 0, 0)  # of files in an archive, so that equal ones are equal

Say = Callable[[str], object]


def checked_format(format: str) -> str:
    """``format``, if that can be written here.

    Raises
        BadValue  if there is no such format, or what it needs is not installed
    """
    if format == "torchscript":
        raise BadValue("torchscript is deprecated in torch and not written: pt2 takes its place")
    if format not in FORMATS:
        raise BadValue(f"a format may be {listed(FORMATS, last='or')}, got {format[:40]!r}")
    if missing := [name for name in FORMATS[format] if find_spec(name) is None]:
        raise BadValue(f"format {format} needs {listed(missing)}: pip install {' '.join(missing)}")
    return format


def write(study: Study, trial: Trial, format: str, out: Path, say: Say = lambda stage: None) -> str:
    """Write ``trial`` to ``out``, see that it is what was trained, and say what that showed.

        module  a folder: see ``export``
        onnx    a file for onnxruntime and others; ``metadata_props`` say how to prepare images
        pt2     a file for ``torch.export.load``; its ``about.json`` says the same

    A process of its own runs what was written on random images: the logits have to be those of the
    trained network, the parameters and GFLOPs those on record. ``say`` is told each stage.

    Raises
        BadValue  as ``export`` and ``checked_format``, if torch cannot capture the network, or if
                  what was written is not the same
    """
    say("building")
    if checked_format(format) != "module" and out.is_dir():
        raise BadValue(f"{str(out)!r} is a folder, and {format} is a file; name another with --out")
    with nullcontext(str(out)) if format == "module" else TemporaryDirectory() as there:
        folder = export(study, trial, Path(there))
        module, batch = _imported(folder), "any"
        figures = _as_recorded(module, study, trial)
        if format != "module":
            captured, batch = _captured(module.load(), study.images["size"], format)
            say("writing")
            out.parent.mkdir(parents=True, exist_ok=True)
            _save(captured, _about(study, trial, batch), format, out)
        trained = _trained(study, trial, folder / "weights.safetensors")
    say("checking")
    if format == "onnx" and find_spec("onnxruntime") is None:
        return f"{figures}; its logits were not compared: onnxruntime is not installed"
    try:
        difference = _difference(trained, study, format, out)
    except BadValue:
        if format != "module":
            out.unlink()  # nobody shall take it for the network
        raise
    one = "" if batch == "any" else "; it takes one image at a time"
    near = f"within {difference:.1g} of" if difference else "equal to"
    return f"{figures}, logits {near} those trained{one}"


def zipped(folder: Path, out: Path, name: str) -> Path:
    """The files of an export as an archive ``out``, in which their folder is called ``name``."""
    with ZipFile(out, "w") as archive:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            info = ZipInfo(f"{name}/{path.name}", EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = ZIP_STORED if path.suffix == ".safetensors" else ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return out


# ------------------------------------------------------------------------------------- writing


def _imported(folder: Path) -> ModuleType:
    """The ``model.py`` of an export; no bytecode is left beside it."""
    path = folder / "model.py"
    module = sys.modules["foveate_exported"] = ModuleType("foveate_exported")
    module.__file__ = str(path)
    exec(compile(path.read_text("utf-8"), path, "exec"), module.__dict__)
    return module


def _captured(network: nn.Module, size: int, format: str) -> tuple[Any, str]:
    """The network as a graph, and for how many images at once: "any", or "1" in ONNX of what has a
    convolution with a group for each image.
    """
    images = torch.randn(2, 3, size, size)
    try:
        some = torch.export.Dim("batch", min=1)
        captured: Any = torch.export.export(network, (images,), dynamic_shapes=({0: some},))
        if format == "onnx" and any(map(_has_open_groups, captured.graph.nodes)):
            return torch.export.export(network, (images[:1],)), "1"
    except Exception as error:  # of many classes, some of them private
        raise BadValue(f"torch cannot capture this network: {first_line(error)[:200]}") from error
    return captured, "any"


def _has_open_groups(node: Any) -> bool:
    """Whether this is a convolution whose number of groups is only known when it runs."""
    is_convolution = node.op == "call_function" and "conv" in str(node.target)
    return is_convolution and any(isinstance(given, torch.fx.Node) for given in node.args[3:])


def _about(study: Study, trial: Trial, batch: str) -> dict[str, Any]:
    """What it takes to use the file; ``mean`` and ``std`` are of images in 0 to 1."""
    return {
        "title": f"trial {trial.number} of study {study.name}",
        "key": trial.key,
        "classes": list(study.classes),
        "size": study.images["size"],
        "mean": list(study.images["mean"]),
        "std": list(study.images["std"]),
        "batch": batch,
    }


def _save(captured: Any, about: dict[str, Any], format: str, out: Path) -> None:
    if format == "pt2":
        with out.open("wb") as file:  # by a path, torch asks for the suffix .pt2
            files = {"about.json": json.dumps(about, ensure_ascii=False)}
            torch.export.save(captured, file, extra_files=files)
        return
    with warnings.catch_warnings():  # of what onnxscript does within
        warnings.simplefilter("ignore")
        try:
            program: Any = torch.onnx.export(
                captured,
                dynamo=True,
                verbose=False,
                input_names=["images"],
                output_names=["logits"],
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise BadValue(f"torch cannot write it as ONNX: {first_line(error)[:200]}") from error
    words = {
        key: one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
        for key, one in about.items()
    }
    program.model.metadata_props.update(words)
    program.save(str(out))


# ------------------------------------------------------------------------------- is it the same?


def _as_recorded(module: ModuleType, study: Study, trial: Trial) -> str:
    """Its parameters and GFLOPs, counted anew; ``BadValue`` if they are not on record."""
    placement = Placement.parse(trial.placement)
    size = placement.image_size or study.images["size"]
    found = count(on_meta(module.build()).eval(), 1, 3, size, size)
    if found.parameters != trial.parameters or abs(found.gflops / trial.gflops - 1) > 1e-9:
        raise BadValue(
            f"the export has {found.parameters:,} parameters and {found.gflops:.6g} GFLOPs, and "
            f"trial {trial.number} is recorded with {trial.parameters:,} and {trial.gflops:.6g}"
        )
    return f"{found.parameters:,} parameters and {found.gflops:.4g} GFLOPs as recorded"


def _trained(study: Study, trial: Trial, weights: Path) -> nn.Module:
    """The network as the worker built it, with its weights."""
    spec, placement = SearchSpec.of(study.spec).space, Placement.parse(trial.placement)
    size = study.images["size"]
    model = build(placement, len(study.classes), image_size=size, identity_init=spec.identity_init)
    base = described(placement.backbone).base
    for name, value in torchvision_arguments(base, spec.weights).items():
        if name == "transform_input":  # only pretrained networks do that
            model.transform_input = value
    model.load_state_dict(load_file(weights))
    return model.eval()


def _difference(trained: nn.Module, study: Study, format: str, path: Path) -> float:
    """By how much the logits of the export at ``path`` differ from those of ``trained``, at most.

    Raises
        BadValue  if it does not run, or by more than rounding can
    """
    size, seed = study.images["size"], torch.Generator().manual_seed(0)
    raw = torch.randint(0, 256, (IMAGES, 3, size, size), dtype=torch.uint8, generator=seed)
    mean, std = (torch.tensor(study.images[name])[:, None, None] for name in ("mean", "std"))
    images = (raw / 255 - mean) / std
    with torch.no_grad():
        wanted = trained(images)
    with TemporaryDirectory() as folder:
        torch.save({"raw": raw, "images": images}, f"{folder}/images.pt")
        words = [format, str(path.absolute()), f"{folder}/images.pt", f"{folder}/logits.pt"]
        try:
            ran = subprocess.run(
                [sys.executable, "-P", "-B", "-c", _ELSEWHERE, *words],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise BadValue(f"the export says nothing within {PATIENCE:g} s") from None
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["it was killed"])[-1]
            raise BadValue(f"the export does not run in a process of its own: {last[:200]}")
        logits: Tensor = torch.load(f"{folder}/logits.pt", weights_only=True)
    difference = float((logits - wanted).abs().max())
    if logits.shape != wanted.shape or not difference <= NEAR * max(1, float(wanted.abs().max())):
        raise BadValue(f"the logits of the export differ by {difference:.2g} from those trained")
    return difference


_ELSEWHERE = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
import torch

format, path, images, out = sys.argv[1:]
torch.set_num_threads(1)
given = torch.load(images, weights_only=True)
if format == "module":
    spec = spec_from_file_location("model", path + "/model.py")
    model = module_from_spec(spec)
    sys.modules["model"] = model
    spec.loader.exec_module(model)
    network = model.load()
    with torch.no_grad():
        logits = network(model.preprocess(given["raw"]))
elif format == "pt2":
    with open(path, "rb") as file:
        network = torch.export.load(file).module()
    with torch.no_grad():
        logits = network(given["images"])
else:
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    one = session.get_inputs()[0].shape[0] == 1
    parts = given["images"].split(1 if one else len(given["images"]))
    logits = torch.cat([torch.tensor(session.run(None, {"images": x.numpy()})[0]) for x in parts])
torch.save(logits.clone(), out)
"""
