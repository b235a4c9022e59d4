"""Answers are made once for a study's cursor and an address."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from httpx import Response
from sqlalchemy import update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.dashboards import site as site_module
from foveate.dashboards.app import create_app
from foveate.search import store
from foveate.search.records import Driver, Study, Trial, now

from .conftest import HERE

POINTS = "/api/v1/studies/1/points"


def test_who_has_an_answer_is_not_sent_it_again(client: TestClient, session: Session) -> None:
    first = client.get(POINTS)
    assert first.status_code == 200
    assert first.headers["content-encoding"] == "gzip"
    again = client.get(POINTS, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"{POINTS}?cost=params", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200

    with session.begin():
        study = store.locked(session, 1)
        store.note(session, store.find_trial(session, study, 8), "something happened")
    changed = client.get(POINTS, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()["cursor"] > first.json()["cursor"]


def test_an_answer_is_the_same_without_gzip(client: TestClient) -> None:
    plain = client.get(POINTS, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == client.get(POINTS).json()


def test_a_driver_that_falls_silent_changes_the_page(client: TestClient, session: Session) -> None:
    alive = client.get("/s/1")
    assert 'data-alive="1"' in alive.text
    with session.begin():
        session.execute(update(Driver).values(beat=now() - 2 * store.LEASE))
    silent = client.get("/s/1", headers={"If-None-Match": alive.headers.get("etag", "")})
    assert silent.status_code == 200
    assert 'data-alive="0"' in silent.text


def test_what_is_kept_has_a_bound(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "KEPT", 5000)
    app = create_app(storage)
    client = TestClient(app, base_url=HERE)
    site = app.state.site
    for width in range(50):
        client.get(f"{POINTS}?w={400 + width}")
    assert 0 < site._held == sum(map(len, site._answers.values())) <= 5000
    assert not site._making


def test_the_server_reads_studies_before_somebody_asks(storage: str) -> None:
    site = create_app(storage).state.site
    site.warm_up()
    with site.session() as session:
        first = site.snapshots.of(session, 1).snapshot
        assert site.look(session, 1).snapshot is first
        assert len(first) == session.query(Trial).filter_by(study_id=1).count()
        assert session.query(Study).count() == 1


def asked(client: TestClient, width: int) -> Response:
    return client.get(f"/s/1/_panels?w={width}")


def test_who_comes_first_together_gets_the_same_page(storage: str) -> None:
    for _ in range(5):
        client = TestClient(create_app(storage), base_url=HERE)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(partial(asked, client), range(8)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
