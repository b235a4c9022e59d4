"""What: attention modules, one file each, found by name.

A *gate* maps a feature map (N, C, H, W) to one of the same shape. A *weight* attention takes the
place of a convolution and takes over its weights; a *mixer* takes that place with its own.
"""

from importlib import import_module
from pkgutil import iter_modules

from ._plugins import plug_in, read_plugin
from ._registry import Choice, Entry, entry, names, register

__all__ = ["Choice", "Entry", "entry", "names", "plug_in", "read_plugin", "register"]

for _file in iter_modules(__path__):
    if not _file.name.startswith("_"):
        import_module(f"{__name__}.{_file.name}")
