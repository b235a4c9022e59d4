"""Our ES modules as one script, for a page that may fetch nothing."""

import re
from collections.abc import Mapping

__all__ = ["bundle"]

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w.-]+)";$', re.MULTILINE)
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
    under_way: list[str] = []

    def take(name: str) -> None:
        if name in done:
            return
        if name in under_way:
            raise ValueError(f"modules import each other: {' -> '.join([*under_way, name])}")
        under_way.append(name)
        for _, other in IMPORT.findall(sources[name]):
            take(other)
        under_way.pop()
        done[name] = _function(name, sources[name])

    take(entry)
    return '"use strict";\n(() => {\n' + "\n".join(done.values()) + "\n})();\n"


def _function(name: str, source: str) -> str:
    def imported(found: re.Match[str]) -> str:
        names = ", ".join(one.strip().replace(" as ", ": ") for one in found[1].split(","))
        return f"const {{ {names} }} = {_variable(found[2])};"

    exported = EXPORT.findall(source)
    body = EXPORT.sub("", IMPORT.sub(imported, source))
    if left := LEFT.search(body):
        raise ValueError(f"{name}: cannot bundle {left[0][:80]!r}")
    returned = f"return {{ {', '.join(exported)} }};"
    return f"const {_variable(name)} = (() => {{\n{body}\n{returned}\n}})();"


def _variable(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name)
