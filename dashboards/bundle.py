"""Our ES modules as one script, for a page that may fetch nothing."""

import re
from collections.abc import Mapping, Sequence

__all__ = ["bundle"]

IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"\./([\w.-]+)";$', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE
)  # no "let": who imports one sees it change
LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundle(entry: str, sources: Mapping[str, str]) -> str:
    """The module ``entry`` and all that it imports of ``sources``, each once, before its users.

    A module becomes a function, so its names stay its own, and what it exports is what that
    function returns.
    """
    done: dict[str, str] = {}  # name -> text, in the order in which they run
    exports: dict[str, list[str]] = {}
    under_way: list[str] = []

    def take(name: str) -> None:
        if name in done:
            return
        if name in under_way:
            raise ValueError(f"modules import each other: {' -> '.join([*under_way, name])}")
        under_way.append(name)
        for names, other in IMPORT.findall(sources[name]):
            take(other)
            if unknown := {one.split()[0] for one in _listed(names)} - set(exports[other]):
                raise ValueError(
                    f"{other} exports no {', '.join(sorted(unknown))}, which {name} takes"
                )
        under_way.pop()
        exports[name] = EXPORT.findall(sources[name])
        done[name] = _function(name, sources[name], exports[name])

    take(entry)
    return '"use strict";\n(() => {\n' + "\n".join(done.values()) + "\n})();\n"


def _function(name: str, source: str, exported: Sequence[str]) -> str:
    def imported(found: re.Match[str]) -> str:
        names = ", ".join(one.replace(" as ", ": ") for one in _listed(found[1] or ""))
        return f"const {{ {names} }} = {_variable(found[2])};"

    body = EXPORT.sub("", IMPORT.sub(imported, source))
    if left := LEFT.search(body):
        raise ValueError(f"{name}: cannot bundle {left[0][:80]!r}")
    returned = f"return {{ {', '.join(exported)} }};"
    return f"const {_variable(name)} = (() => {{\n{body}\n{returned}\n}})();"


def _listed(names: str) -> list[str]:
    return [one.strip() for one in names.split(",") if one.strip()]


def _variable(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name)
