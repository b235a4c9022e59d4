"""What the documents promise about the package as a whole."""

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

import foveate
import foveate.spaces

HEAVY = {"torch", "torchvision", "ray", "optuna"}
ROOT = Path(foveate.__file__).parent


def loaded_after(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import foveate",
        "import foveate.cli",
        "import foveate.dashboards.app",
        "import foveate.dashboards.report, foveate.dashboards.demo",
        "from foveate.search import records, store, front; from foveate.spaces import placement",
        "from foveate.search import pictures",
    ],
)
def test_what_starts_without_the_heavy_packages(code: str) -> None:
    assert not HEAVY & loaded_after(code)


def test_the_help_comes_at_once() -> None:
    """Under 0.4 s by design; the bound leaves room for a busy machine."""
    seconds = []
    for _ in range(5):
        start = perf_counter()
        subprocess.run([sys.executable, "-m", "foveate.cli", "--help"], check=True, stdout=-3)
        seconds.append(perf_counter() - start)
    assert median(seconds) < 1.5


def test_the_training_loop_knows_no_framework() -> None:
    assert not {"ray", "optuna", "sqlalchemy"} & loaded_after("import foveate.workers.train")


def test_every_public_name_is_found() -> None:
    for package in (foveate, foveate.spaces):
        for name in package.__all__:
            assert getattr(package, name) is not None


def test_no_name_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'foveate' has no attribute 'Serach'"):
        foveate.Serach  # noqa: B018


def test_every_source_file_says_what_it_is_for() -> None:
    folders = ("attention", "spaces", "workers", "search", "dashboards")
    files = [*ROOT.glob("*.py"), *(path for name in folders for path in (ROOT / name).glob("*.py"))]
    assert len(files) > 30
    for path in files:
        assert path.read_text(encoding="utf-8").startswith('"""'), path
