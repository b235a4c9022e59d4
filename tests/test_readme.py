"""What the README promises is run."""

import doctest
import re
from pathlib import Path

import foveate
from foveate import attention
from foveate.spaces import Placement, Space, SpaceSettings, cost

README = Path(foveate.__file__).parent / "README.md"


def test_the_lines_of_the_readme_do_what_they_say() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert failed == 0
    assert tried >= 5


def test_the_example_spec_is_one() -> None:
    spec = foveate.SearchSpec.read(str(README.parent / "examples" / "search.yaml"))
    assert spec.space.backbone == "resnet18"
    assert spec.default_name == "flowers-resnet18"


def test_the_table_of_modules_is_what_they_cost() -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]\((\S+)\) \| (.+) \|$", README.read_text(), re.MULTILINE)
    assert [name for name, *_ in rows] == attention.names()
    settings = SpaceSettings(backbone="resnet50", modules=("all",), identity_init=False)
    baselines, bare = Space(settings, 224).baselines(), cost(Placement.of("resnet50", []), 224)
    for name, paper, row in rows:
        entry, added = attention.entry(name), cost(baselines[f"everywhere:{name}"], 224) - bare
        figures = f"{added.parameters:+,} | {added.operations / 1e6:+,.2f}"
        assert (paper, row) == (entry.paper, f"{entry.attends} | {entry.places} | {figures}")
