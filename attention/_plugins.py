"""A user's own module: the same decorator in a file of the user's, which travels as text.

The text is all there is: a worker on another machine, or an export years later, has no file.
"""

import ast
import linecache
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from importlib.abc import InspectLoader
from importlib.util import module_from_spec, spec_from_loader
from traceback import walk_tb
from types import CodeType, ModuleType

from ..errors import BadValue
from . import _registry

__all__ = [
    "EXPORTED",
    "is_main",
    "load_text",
    "meanings",
    "plug_in",
    "read_plugin",
    "read_text",
]

OURS = {"Choice", "register"}  # what a plugin may use of this package
THERE = {"torch", "torchvision", *sys.stdlib_module_names}  # where an exported model is used
EXPORTED = {  # what an exported model.py calls something, before any module's file
    "json": "json",
    "partial": "functools.partial",
    "Path": "pathlib.Path",
    "Any": "typing.Any",
    "torch": "torch",
    "torchvision": "torchvision",
    "Tensor": "torch.Tensor",
    "nn": "torch.nn",
    **dict.fromkeys(("CLASSES", "IMAGE_SIZE", "MEAN", "STD"), "defined"),
    **dict.fromkeys(("load", "build", "preprocess", "read_safetensors"), "defined"),
    **dict.fromkeys(("attach", "_gated", "_resized", "_beside"), "defined"),
    **dict.fromkeys(("BasicBlock", "CifarResNet", "_stage"), "defined"),
    **dict.fromkeys(("PreactBlock", "_PreactStages", "PreactResNet"), "defined"),
    **dict.fromkeys(("WideResNet", "_preact_stage"), "defined"),
    "interpolate": "torch.nn.functional.interpolate",
    "sys": "sys",
    "module_from_spec": "importlib.util.module_from_spec",
    "spec_from_file_location": "importlib.util.spec_from_file_location",
}
_HOME = "foveate_plugin_"


def read_plugin(path: str) -> str:
    """The text of the file ``path``."""
    return read_text("plugin", path)


def read_text(what: str, path: str) -> str:
    """The text of the file ``path``; ``what`` it is stands in the errors."""
    try:
        with tokenize.open(path) as file:
            return file.read()
    except OSError as error:
        raise BadValue(f"cannot read the {what} {path!r}: {error.strerror}") from None
    except (SyntaxError, ValueError):  # of its encoding
        raise BadValue(f"the {what} {path!r} is no text in UTF-8") from None


def plug_in(path: str, source: str) -> tuple[str, ...]:
    """Register the modules of ``source``, the text of ``path``, and return their names.

    The same text again changes nothing. If it cannot be used, nothing of it stays.

    Raises
        BadValue  if it is no Python, fails, registers nothing or a name that there is, or could
                  not be a part of an exported ``model.py``
    """
    home = f"{_HOME}{sha256(source.encode()).hexdigest()[:16]}"
    if home in sys.modules and (known := _registered_by(home)):
        return known
    code = _checked(path, source)
    before = dict(_registry._ENTRIES)
    try:
        _run("plugin", home, path, source, code)
        for name in _registry._ENTRIES.keys() - before.keys():
            cls = _registry._ENTRIES[name].cls
            if cls.__module__ != home:
                raise BadValue(
                    f"the plugin {path!r} registers {name!r}, a class of {cls.__module__}; it has "
                    "to be defined in the file, which an exported model holds"
                )
        if not (names := _registered_by(home)):
            raise BadValue(
                f"the plugin {path!r} registers no module; "
                '@register("NAME", attends="...") stands above a class'
            )
    except BaseException:
        _registry._ENTRIES.clear()
        _registry._ENTRIES.update(before)
        sys.modules.pop(home, None)
        linecache.cache.pop(path, None)
        raise
    return names


def _registered_by(home: str) -> tuple[str, ...]:
    there = (name for name in _registry.names() if _registry.entry(name).cls.__module__ == home)
    return tuple(there)


class _Text(InspectLoader):
    """Loads a module from a text, so that it has one without a file, too."""

    def __init__(self, source: str, code: CodeType) -> None:
        self.source, self.code = source, code

    def get_source(self, fullname: str) -> str:
        return self.source

    def get_code(self, fullname: str) -> CodeType:
        return self.code


def load_text(what: str, home: str, path: str, source: str) -> ModuleType:
    """Run ``source``, the text of ``path``, as the module ``home``, and return that.

    ``inspect`` and tracebacks find its lines without the file. If it fails, nothing of it stays.

    Raises
        BadValue  if it is no Python or fails; ``what`` it is stands in the sentence
    """
    _, code = _compiled(what, path, source)
    try:
        _run(what, home, path, source, code)
    except BaseException:
        sys.modules.pop(home, None)
        linecache.cache.pop(path, None)
        raise
    return sys.modules[home]


def _run(what: str, home: str, path: str, source: str, code: CodeType) -> None:
    loader = _Text(source, code)
    spec = spec_from_loader(home, loader, origin=path)
    assert spec is not None
    module = module_from_spec(spec)
    module.__file__ = path
    # tracebacks show its lines, not what a file of that name may hold by then
    linecache.cache[path] = len(source), None, source.splitlines(keepends=True), path
    sys.modules[home] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        lines = [n for frame, n in walk_tb(error.__traceback__) if frame.f_code.co_filename == path]
        where = f", line {lines[-1]}" if lines else ""
        said = str(error).partition("\n")[0]
        if not isinstance(error, BadValue):  # what the registry says is a sentence already
            said = f"{type(error).__name__}: {said}".removesuffix(": ")
        raise BadValue(f"the {what} {path!r} fails{where}: {said}") from None


# ------------------------------------------------------------------- a file that can be exported


def _checked(path: str, source: str) -> CodeType:
    """The code of ``source``; raises if it could not stand in an exported model.py."""
    tree, code = _compiled("plugin", path, source)
    for line, problem in _dependences(tree):
        raise BadValue(f"the plugin {path!r}, line {line}: {problem}")
    mine = meanings(source)
    for home, others in _others().items():
        for name in sorted(mine.keys() & others.keys()):
            if mine[name] != others[name] or mine[name] == "defined":
                raise BadValue(
                    f"the plugin {path!r}: {name!r} is {mine[name]} here and {others[name]} in "
                    f"{home}; an exported model.py holds both, so call it something else"
                )
    return code


def _compiled(what: str, path: str, source: str) -> tuple[ast.Module, CodeType]:
    try:
        tree = ast.parse(source, path)
        return tree, compile(tree, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        raise BadValue(f"the {what} {path!r} is no Python{where}: {error.msg}") from None
    except ValueError as error:  # a null byte, until Python 3.12
        raise BadValue(f"the {what} {path!r} is no Python: {error}") from None


def _others() -> dict[str, dict[str, str]]:
    """What every other file calls something, by where that is."""
    found = {"every exported model": EXPORTED}
    for entry in map(_registry.entry, _registry.names()):
        if entry.is_builtin or entry.cls.__module__.startswith(_HOME):
            found[entry.home] = meanings(entry.source)
    return found


def _dependences(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What would be missing on a worker or in an exported model: (line, sentence)."""
    body = [node for node in tree.body if not is_main(node)]
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    above = [decorator for cls in classes for decorator in cls.decorator_list]
    registrations = {node for decorator in above for node in ast.walk(decorator)}
    for node in (inner for outer in body for inner in ast.walk(outer)):
        match node:
            case ast.ImportFrom(level=level, module=module) if level:
                yield node.lineno, f"imports {'.' * level}{module or ''}; a plugin stands alone"
            case ast.ImportFrom(module="foveate.attention", names=names):
                nested = all(node is not statement for statement in body)
                if nested or any(alias.name not in OURS or alias.asname for alias in names):
                    yield node.lineno, _OF_OURS
            case ast.ImportFrom(module=module, names=names) if module:
                yield from _imports(node.lineno, [module])
                if any(alias.name == "*" for alias in names):
                    yield node.lineno, f"imports * of {module}; name what is needed"
            case ast.Import(names=names):
                yield from _imports(node.lineno, [alias.name for alias in names])
            case ast.Name(id=name) if name in OURS and node not in registrations:
                yield node.lineno, f"{name!r} belongs above a class at the top of the file: {_FREE}"


_FREE = "an exported model does without foveate"
_OF_OURS = f"of foveate it takes `from foveate.attention import Choice, register` only: {_FREE}"


def _imports(line: int, modules: list[str]) -> Iterator[tuple[int, str]]:
    for module in modules:
        top = module.partition(".")[0]
        if top == "foveate":
            yield line, _OF_OURS
        elif top not in THERE:
            yield (
                line,
                f"imports {top}; a plugin needs torch, torchvision and the standard library only, "
                "as an exported model does",
            )


def is_main(node: ast.stmt) -> bool:
    """Whether ``node`` runs when the file is a program: no part of an exported model."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


@lru_cache(maxsize=256)
def meanings(source: str) -> dict[str, str]:
    """What each name at the top of a file stands for; what it takes of foveate left out."""
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    first = alias.name.partition(".")[0]
                    found[alias.asname or first] = alias.name if alias.asname else first
            case ast.ImportFrom(level=0, module=module, names=names) if module:
                if module.partition(".")[0] != "foveate":
                    found |= {a.asname or a.name: f"{module}.{a.name}" for a in names}
            case ast.ImportFrom():
                pass
            case _ if not is_main(node):
                found |= dict.fromkeys(_bound(node), "defined")
    return {name: what for name, what in found.items() if not re.fullmatch("__.*__", name)}


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a statement gives something to, without those inside of what it defines."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
            return
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.alias():
            yield node.asname or node.name.partition(".")[0]
        case ast.ExceptHandler(name=str(name)):
            yield name
    for child in ast.iter_child_nodes(node):
        yield from _bound(child)
