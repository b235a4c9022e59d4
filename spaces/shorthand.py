"""Placements as one writes them by hand: ``layer3.*=eca``, ``layer4.2.bn3=se(reduction=8)``."""

import ast
import re
from collections.abc import Iterable
from math import inf

from .. import attention
from ..errors import BadValue, unknown
from .networks import canonical, surveyed
from .placement import REMOVE, Module, Placement, Value
from .plugging import complete, may_stand
from .site import Site, Survey

__all__ = ["place"]


def place(backbone: str, texts: Iterable[str], *, image_size: int = 224) -> Placement:
    """The placement that ``texts`` say, each ``SITES=MODULE`` or ``SITES=MODULE(key=value, ...)``.

    ``SITES`` is the path of a site or a glob. With a glob the module takes those of the sites
    where its paper places it; where there are none of these, all at which it can stand. Modules
    that inspection does not propose are taken where it proposes none. ``remove`` takes out an
    attention of the backbone's own.

        > place("resnet50", ["layer3.*=eca", "layer4.*.conv2=aw(reduction=8)"])

    Raises
        UnknownName  for a backbone, site, module or hyper-parameter that there is not
        BadValue     for what is not written like this, or a module where it cannot stand
    """
    name = canonical(backbone)
    there = surveyed(name, image_size)
    modules = []
    for text in [texts] if isinstance(texts, str) else texts:
        pattern, module, chosen = _read(text)
        modules += [Module(s.path, module, chosen) for s in _meant(pattern, module, there, name)]
    return complete(Placement.of(name, modules), image_size)


_FORM = re.compile(r"\s*(?P<sites>[^=\s]+)\s*=\s*(?P<name>\w+)\s*(?:\((?P<settings>.*)\))?\s*")


def _read(text: str) -> tuple[str, str, dict[str, Value]]:
    if not (found := _FORM.fullmatch(text)):
        raise BadValue(
            f"a placement is written layer3.*=eca or layer3.*=se(reduction=8), got {text!r}"
        )
    chosen: dict[str, Value] = {}
    for setting in filter(None, map(str.strip, (found["settings"] or "").split(","))):
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise BadValue(f"a hyper-parameter is written key=value, got {setting!r} in {text!r}")
        if key in chosen:
            raise BadValue(f"{key} is given twice in {text!r}")
        chosen[key] = _value(value)
    return found["sites"], found["name"], chosen


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # a word needs no quotes
    return value if isinstance(value, Value) and value not in (inf, -inf) else text


def _meant(pattern: str, module: str, there: Survey, name: str) -> list[Site]:
    if module != REMOVE:
        attention.entry(module)  # a name that there is not is the first thing to say
    if (exact := there.at(pattern)) is not None:
        return [exact]  # ``complete`` says if it cannot stand there
    matching = [site for site in there.sites if site.matches(pattern)]
    matching = matching or [site for site in there.others if site.matches(pattern)]
    if not matching:
        paths = [site.path for site in there.sites]
        raise unknown(f"site of {name} called", pattern, paths, near=[s.path for s in there.others])
    if module == REMOVE:
        able = usual = [site for site in matching if "existing" in site.kinds]
    else:
        entry = attention.entry(module)
        able = [s for s in matching if may_stand(module, s)]
        usual = [s for s in able if entry.stands_at(s.kinds, s.stage, there.stages)]
    if not able:
        raise BadValue(f"{module} can stand at none of the {len(matching)} sites {pattern!r}")
    return usual or able
