"""The API under nonsense: no fault of ours comes of it, and every refusal is one sentence."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.applications import Starlette
from starlette.testclient import TestClient

from foveate.dashboards import app as app_module
from foveate.dashboards.app import create_app
from foveate.dashboards.openapi import description

from .conftest import HERE

ADDRESS = "/api/v1/openapi.json"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def app(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    """The dashboard of a study with a trial in every state."""
    storage = f"sqlite:///{shutil.copy(filled, tmp_path_factory.mktemp('fuzz'))}"
    with pytest.MonkeyPatch.context() as patched:  # schemathesis calls it testserver
        patched.setattr(app_module, "LOCAL", (*app_module.LOCAL, "testserver"))
        app = create_app(storage)
    yield app
    app.state.site.jobs.close()


@schemathesis.openapi.from_dict(description("0")).parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_path_answers_as_it_is_described(case: schemathesis.Case, app: Starlette) -> None:
    case.call_and_validate(app=app, base_url=HERE, checks=CHECKS)


def test_the_description_has_every_path_and_no_other(app: Starlette) -> None:
    served = {getattr(route, "path", "") for route in app.routes}
    assert {path for path in served if path.startswith("/api/")} == set(described_paths())


def described_paths() -> dict[str, Any]:
    paths: dict[str, Any] = description("0")["paths"]
    return paths


@pytest.mark.parametrize("path", described_paths())
def test_every_place_of_a_path_is_described(path: str) -> None:
    for entry in described_paths()[path].values():
        places = [one["name"] for one in entry["parameters"] if one["in"] == "path"]
        assert places == re.findall(r"\{(\w+)", path)


# ------------------------------------------------------------ what no description would think of

words = st.text(max_size=40) | st.sampled_from(
    ["0", "1", "-1", "1e9", "9" * 400, "NaN", "null", "../..", "%00", "1;DROP TABLE", "１", "<img>"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(sorted(described_paths())),
    places=st.lists(words, min_size=3, max_size=3),
    asked=st.dictionaries(st.sampled_from(["cost", "since", "page", "sort", "w", "t", "x"]), words),
    headers=st.dictionaries(
        st.sampled_from(["If-None-Match", "Accept", "Accept-Encoding", "Cookie", "Authorization"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    ),
)
def test_any_nonsense_is_refused_in_one_sentence(
    app: Starlette, path: str, places: list[str], asked: dict[str, str], headers: dict[str, str]
) -> None:
    client = TestClient(app, base_url=HERE, raise_server_exceptions=False)
    filled = re.sub(r"\{\w+\}", lambda _: quoted(places.pop()), path)
    (method,) = described_paths()[path]
    posts = method == "post"
    body: dict[str, Any] = {"json": asked} if posts else {"params": asked}
    answer = client.request(method, filled, headers=headers, **body)
    refusals = (400, 403, 404) if posts or "/launch" in path else (400, 404)
    if posts and unquote(filled).count("/") > path.count("/"):
        refusals = (*refusals, 405)  # a slash inside makes it the address of nothing: of no POST
    assert answer.status_code in refusals or (not posts and answer.status_code in (200, 204, 304))
    if answer.status_code >= 400:
        (error,) = json.loads(answer.content).values()
        assert set(error) == {"code", "message"}
        assert error["message"]
        assert "\n" not in error["message"]
        assert "Traceback" not in error["message"]


def quoted(text: str) -> str:
    """``text`` as one part of a path."""
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace")) or "%20"
