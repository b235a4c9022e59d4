"""What may stand where, as a user writes it down."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from .. import attention
from .._settings import Settings
from ..errors import BadValue, listed
from .networks import canonical
from .site import KINDS
from .weights import is_file

__all__ = ["PRESETS", "SpaceSettings"]

DEFAULT = ("aw", "cbam", "cram", "eca", "pointwise", "se", "steam")
PRESETS: dict[str, dict[str, Any]] = {  # what a setting is that was left out
    "ean": {"modules": ("se",), "kinds": ("branch",), "hyperparameters": "fixed"},
    "papers": {"modules": ("aw", "cram", "steam")},
    "gates": {"modules": ("gates",)},
    "full": {
        "modules": ("all",),
        "kinds": tuple(kind for kind in KINDS if kind != "named"),
        "hyperparameters": "site",
    },
}


class SpaceSettings(Settings):
    """Which modules may stand at which sites of which backbone."""

    # ean: one module, on or off in each block; papers: aw, cram and steam where their papers place
    # them; gates: every gate at its usual sites; full: everything wherever it can stand
    preset: Literal["ean", "papers", "gates", "full"] | None = None
    backbone: str = "resnet8"  # with which all is compared; `foveate sites` says which there are
    backbones: tuple[str, ...] = ()  # further ones to choose from
    widths: tuple[float, ...] = ()  # factors on the channels to choose from; none: as they are
    image_sizes: tuple[int, ...] = ()  # pixels a side, to choose from; none: as the images are
    weights: str | None = None  # pretrained: DEFAULT, another name of them, or a local file
    # names; ``all`` is all built-in ones; in a spec, it and the default have plugins' modules, too
    modules: tuple[str, ...] = DEFAULT
    kinds: tuple[str, ...] = ()  # of sites, at which any module may stand; none: its usual ones
    stages: tuple[int, ...] = ()  # 0 is the stem, 1 the first, -1 the last; none: all
    sites: tuple[str, ...] = ("*",)  # paths or globs of those to take
    granularity: Literal["block", "stage", "network"] = "block"  # what makes one choice together
    hyperparameters: Literal["fixed", "module", "stage", "site"] = "module"  # defaults; one per ...
    most: int | None = Field(None, ge=1)  # modules in a placement
    identity_init: bool = True  # a new module does nothing, instead of its authors' start

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        preset = values.get("preset") if isinstance(values, dict) else None
        return PRESETS.get(preset, {}) | values if isinstance(preset, str) else values

    @field_validator("backbone")
    @classmethod
    def _known_backbone(cls, name: str) -> str:
        return canonical(name)

    @field_validator("backbones")
    @classmethod
    def _known_backbones(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(canonical, names)))

    @field_validator("weights")
    @classmethod
    def _found_anywhere(cls, weights: str | None) -> str | None:
        if weights is None or not is_file(weights):
            return weights
        return str(Path(weights).absolute())  # workers have another working directory

    @field_validator("widths", "image_sizes")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(value <= 0 for value in values):
            raise BadValue(f"a width or a size is greater than 0, got {listed(values)}")
        return tuple(sorted({*values}))

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for kind in kinds:
            if kind not in KINDS:
                raise BadValue(f"a kind of site is {listed(KINDS, last='or')}, got {kind!r}")
        return tuple(kind for kind in KINDS if kind in kinds)

    @field_validator("modules")
    @classmethod
    def _known_modules(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        builtin = [name for name in attention.names() if attention.entry(name).is_builtin]
        groups = {"all": builtin}
        groups["gates"] = [name for name in builtin if attention.entry(name).kind == "gate"]
        found = [one for name in names for one in groups.get(name, [name])]
        for name in found:
            attention.entry(name)
        if not names:
            raise BadValue("space.modules names no module, so there is nothing to search")
        return tuple(sorted({*found}))

    @model_validator(mode="after")
    def _scope(self) -> "SpaceSettings":
        if self.granularity == "network" and self.hyperparameters == "stage":
            raise BadValue(
                "hyperparameters per stage need choices per stage or block, "
                "and granularity is 'network'"
            )
        return self
