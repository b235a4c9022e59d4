import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import pytest

from foveate import spaces


@pytest.mark.parametrize("name", spaces.__all__)
def test_a_public_name_is_never_the_file_of_that_name(name: str) -> None:
    """``from foveate.spaces import plug`` has to be the function, whatever was imported before."""
    for file in iter_modules(spaces.__path__):
        import_module(f"foveate.spaces.{file.name}")
    assert not isinstance(getattr(spaces, name), ModuleType)


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match=r"'foveate.spaces' has no attribute 'placements'"):
        _ = spaces.placements


def test_a_placement_comes_without_torch() -> None:
    code = "import sys; from foveate.spaces import Placement; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
