"""Pictures of a study's architectures, which agree on what each module looks like."""

import ast
from collections.abc import Mapping
from typing import Any

from ..spaces.glyphs import Glyph, glyphs
from ..spaces.picture import picture
from ..spaces.placement import Placement
from .records import Study

__all__ = ["as_file", "kinds_of", "study_glyphs"]


def study_glyphs(spec: Mapping[str, Any]) -> dict[str, Glyph]:
    """The glyphs of the modules that a study with this specification searches over."""
    return glyphs(spec["space"]["modules"], kinds_of(spec))


def kinds_of(spec: Mapping[str, Any]) -> dict[str, str]:
    """The kinds of the modules that a study brings with it, by name."""
    kinds: dict[str, str] = {}
    for plugin in spec.get("plugins", []):
        kinds |= _kinds(plugin["source"])
    return kinds


def as_file(study: Study, placement: Placement) -> str:
    """``placement`` as the text of an SVG file."""
    return picture(placement, study.sites, known=study_glyphs(study.spec), standalone=True)


def _kinds(source: str) -> dict[str, str]:
    """The kinds of module that a plugin registers, read without running it."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # of a later Python: it can be shown, if not run
        return {}
    found = {}
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name("register") | ast.Attribute(attr="register"),
                args=[ast.Constant(str(name))],
                keywords=keywords,
            ):
                for keyword in keywords:
                    if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant):
                        found[name] = str(keyword.value.value)
    return found
