"""Jobs: real processes, of which each is ended by its own id."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from foveate.dashboards import jobs as jobs_module
from foveate.dashboards.jobs import Job, Jobs
from foveate.dashboards.processes import command, environment, settled

SPEAKING = """
import json, os, sys, time
request = json.loads(sys.stdin.read())
def say(**words):
    print(json.dumps(words), flush=True)
"""


def writes(name: str = "out.txt", text: str = "hello") -> str:
    """The code of a process that leaves a file."""
    wrote = f"open({name!r}, 'w').write({text!r})"
    return f"{SPEAKING}\n{wrote}\nsay(done={{'file': {name!r}, 'message': 'well'}})"


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Jobs]]:
    """``begin(**limits)``: jobs whose module is the code of their process."""

    def run(module: str, *words: str) -> list[str]:
        return [sys.executable, "-P", "-c", module, *words]

    monkeypatch.setattr(jobs_module, "command", run)
    begun: list[Jobs] = []

    def new(**limits: Any) -> Jobs:
        begun.append(Jobs(tmp_path / "exports", **limits))
        return begun[-1]

    yield new
    for one in begun:
        one.close()


def until(done: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)
    return found


def ended(job: Job) -> Job:
    until(lambda: job.ended)
    return job


def test_a_job_leaves_a_file_and_what_it_found(begin: Callable[..., Jobs]) -> None:
    code = SPEAKING + "say(stage='building', progress=0.25); open('scratch', 'w'); os.mkdir('work')"
    code += writes().removeprefix(SPEAKING)
    jobs = begin()
    job = ended(jobs.ask("a", code, {}))
    assert (job.state, job.message, job.progress, job.bytes) == ("done", "well", 1.0, 5)
    assert job.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert job.file is not None and job.file.read_text() == "hello"
    assert [path.name for path in job.file.parent.iterdir()] == ["out.txt"]
    assert jobs.find(job.id) is job


def test_its_stage_is_known_while_it_runs(begin: Callable[..., Jobs], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = SPEAKING + "say(stage='building', progress=0.25)\n"
    code += f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    job = begin().ask("a", code + writes().removeprefix(SPEAKING), {})
    until(lambda: job.stage)
    assert (job.state, job.stage, job.progress) == ("running", "building", 0.25)
    gate.touch()
    assert ended(job).state == "done"


def test_a_process_is_told_what_is_wanted_and_nothing_secret(
    begin: Callable[..., Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEATE_TOKEN", "secret")
    code = SPEAKING + "say(error=request['what'] + str(os.environ.get('FOVEATE_TOKEN')))"
    assert ended(begin().ask("a", code, {"what": "ü"})).message == "üNone"


def test_a_mistake_is_one_sentence_and_leaves_nothing(
    begin: Callable[..., Jobs], tmp_path: Path
) -> None:
    code = SPEAKING + "open('scratch', 'w'); say(error='the weights are gone'); sys.exit(2)"
    job = ended(begin().ask("a", code, {}))
    assert (job.state, job.message, job.file) == ("failed", "the weights are gone", None)
    until(lambda: not list((tmp_path / "exports").iterdir()))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "its process ended with 3; the log says more"),
        ("import os; os.kill(os.getpid(), 9)", "its process ended with -9; the log says more"),
        ("print('no json')", "this is a fault of ours; the log says more"),
        ('print(\'{"done": {"file": "none"}}\')', "this is a fault of ours; the log says more"),
    ],
)
def test_a_process_that_dies_is_no_success(
    begin: Callable[..., Jobs], code: str, said: str
) -> None:
    job = ended(begin().ask("a", code, {}))
    assert (job.state, job.message) == ("failed", said)


def test_one_that_takes_too_long_is_ended_with_all_it_started(
    begin: Callable[..., Jobs], tmp_path: Path
) -> None:
    code = "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', 'import time; "
    code += f"time.sleep(600)'])\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
    job = ended(begin(seconds=2.0).ask("a", code + "child.wait()", {}))
    assert (job.state, job.message) == ("failed", "it took longer than 2 s")
    child = int((tmp_path / "pid").read_text())
    until(lambda: not alive(child))


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_equal_requests_share_a_job(begin: Callable[..., Jobs]) -> None:
    jobs = begin()
    first = jobs.ask("a", writes(), {})
    assert jobs.ask("a", writes(), {}) is first
    assert jobs.ask("b", writes(), {}) is not first
    assert ended(first).file is not None
    assert jobs.ask("a", writes(), {}) is first
    first.file.unlink()
    assert jobs.ask("a", writes(), {}) is not first
    failed = ended(jobs.ask("c", "raise SystemExit(1)", {}))
    assert jobs.ask("c", writes(), {}) is not failed


SLEEPS = "import time; time.sleep(600)"


def test_some_run_some_wait_and_more_are_refused(begin: Callable[..., Jobs]) -> None:
    jobs = begin(at_once=1, most_waiting=2)
    first = jobs.ask(0, SLEEPS, {})
    until(lambda: first.state == "running")
    others = [jobs.ask(number, SLEEPS, {}) for number in (1, 2)]
    assert [job.state for job in others] == ["waiting", "waiting"]
    with pytest.raises(HTTPException) as refused:
        jobs.ask(3, SLEEPS, {})
    assert refused.value.status_code == 429
    assert refused.value.detail == "2 exports wait already; try again in a minute"
    assert refused.value.headers == {"Retry-After": "60"}


def test_closing_ends_what_runs_and_removes_what_is_temporary(
    begin: Callable[..., Jobs],
) -> None:
    jobs = Jobs()
    running = jobs.ask(0, SLEEPS, {})
    until(lambda: running.state == "running")
    folder = jobs.folder
    assert folder.exists()
    (process,) = jobs._processes.values()
    jobs.close()
    assert process.returncode == -9 and not folder.exists()


def test_the_oldest_files_go(begin: Callable[..., Jobs], tmp_path: Path) -> None:
    jobs = begin(most_kept=2, at_once=1)
    made = [ended(jobs.ask(number, writes(), {})) for number in range(4)]
    until(lambda: len(list((tmp_path / "exports").iterdir())) == 2)
    kept = [job.file is not None and job.file.exists() for job in made]
    assert kept == [False, False, True, True]
    until(lambda: made[0].id not in jobs._jobs)
    with pytest.raises(HTTPException, match="there is no such job, or none any more"):
        jobs.find(made[0].id)


def test_large_files_go_sooner_the_latest_never(begin: Callable[..., Jobs], tmp_path: Path) -> None:
    earlier = tmp_path / "exports" / f"export-{22 * 'x'}"
    earlier.mkdir(parents=True)
    (earlier / "file").write_text("x")
    os.utime(earlier, (0, 0))
    (tmp_path / "exports" / "export-2024-11").mkdir()  # somebody's own
    job = ended(begin(most_bytes=3).ask("a", writes(), {}))
    until(lambda: not earlier.exists())
    assert job.file is not None and job.file.exists()
    assert (tmp_path / "exports" / "export-2024-11").exists()


def test_a_process_of_ours_takes_nothing_from_its_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    (tmp_path / "foveate").mkdir()
    (tmp_path / "foveate" / "__init__.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    words = command("cli", "--version")
    ran = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    monkeypatch.setenv("PYTHONPATH", f"here{os.pathsep}/there")
    path = environment()["PYTHONPATH"].split(os.pathsep)
    assert path == [os.path.abspath("here"), "/there"]


@pytest.mark.parametrize(
    ("storage", "found"),
    [
        ("sqlite:///x.db", "sqlite:///{here}/x.db"),
        ("sqlite:////x/y.db", "sqlite:////x/y.db"),
        ("postgresql://me:pass@h/db", "postgresql+psycopg://me:pass@h/db"),
    ],
)
def test_a_database_is_the_same_from_anywhere(storage: str, found: str) -> None:
    assert settled(storage) == found.format(here=os.getcwd())
