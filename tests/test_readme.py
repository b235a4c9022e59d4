"""What the README promises is run."""

import doctest
from pathlib import Path

import foveate

README = Path(foveate.__file__).parent / "README.md"


def test_the_lines_of_the_readme_do_what_they_say() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert failed == 0
    assert tried >= 5


def test_the_example_spec_is_one() -> None:
    spec = foveate.SearchSpec.read(str(README.parent / "examples" / "search.yaml"))
    assert spec.space.backbone == "resnet18"
    assert spec.default_name == "flowers-resnet18"
