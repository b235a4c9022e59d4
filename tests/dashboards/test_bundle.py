"""Modules in one script: what runs, in which order, and what is refused."""

import re

import pytest

from foveate.dashboards.assets import HERE
from foveate.dashboards.bundle import bundle

PAGE = """
import { a as first, c } from "./one.js";
import { Two } from "./two.js";
use(first, c, Two);
"""
SOURCES = {
    "page.js": PAGE,
    "one.js": 'import { b } from "./two.js";\nexport const a = 1;\nexport const c = b;\n',
    "two.js": "export async function b() {}\nexport class Two {}\n",
}


def test_a_module_runs_once_and_before_its_users() -> None:
    made = bundle("page.js", SOURCES)
    assert re.findall(r"^const (\$\w+) =", made, re.MULTILINE) == ["$two_js", "$one_js", "$page_js"]
    assert "const { a: first, c } = $one_js;" in made
    assert "return { b, Two };" in made
    assert not re.search(r"^(import|export)", made, re.MULTILINE)


def test_a_module_may_be_there_for_what_it_does() -> None:
    made = bundle("page.js", {"page.js": 'import "./two.js";\nuse();\n', "two.js": "begin();\n"})
    assert made.index("begin();") < made.index("use();")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("export const d = 1;", "one.js exports no a, c, which page.js takes"),
        ("export let a = 1;", "cannot bundle 'export let a = 1;'"),
        ("export default 1;", "cannot bundle 'export default 1;'"),
        ('import * as all from "./two.js";', "cannot bundle 'import \\* as all"),
        ('import { a } from "https://elsewhere/a.js";', "cannot bundle"),
        ('import { a } from "./page.js";', "import each other: page.js -> one.js -> page.js"),
    ],
)
def test_what_cannot_be_bundled_is_refused(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bundle("page.js", SOURCES | {"one.js": line + "\n"})


def test_every_script_of_the_pages_can_be_bundled() -> None:
    sources = {path.name: path.read_text("utf-8") for path in (HERE / "static").glob("*.js")}
    ours = [name for name in sources if name != "echarts.min.js"]
    assert len(ours) > 5
    for name in ours:
        assert f"const ${name.replace('.', '_').replace('-', '_')} = " in bundle(name, sources)
