"""What a search says to go on with."""

import shlex
from pathlib import Path

from foveate.search.run import next_commands


def test_what_comes_next_is_said_as_a_shell_takes_it() -> None:
    name = "what's it; rm -rf $HOME"
    lines = next_commands(name, "sqlite:///my studies.db", Path("results") / name)
    dashboard, front, export = (shlex.split(line) for line in lines)
    assert dashboard == ["foveate", "dashboard", "--storage", "sqlite:///my studies.db"]
    assert front[2] == export[2] == name
    assert export[-2:] == ["--out", f"results/{name}/knee"]
