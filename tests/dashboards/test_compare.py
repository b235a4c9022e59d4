"""A few trials side by side."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from foveate.search import store
from foveate.search.records import Artifact, Study
from foveate.spaces.placement import Module, Placement

from .conftest import add_trial
from .test_trial import looks_file

API = "/api/v1/studies/1/compare"
EVIL = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture
def study(session: Session) -> Study:
    return store.find_study(session, "digits")


def table(page: str) -> dict[str, list[str]]:
    """The rows of the table of figures: the text of each cell."""
    body = page.split('<table class="figures">')[1].split("<tbody>")[1].split("</tbody>")[0]
    found = {}
    for row in body.split("<tr>")[1:]:
        name, *cells = row.split("<td")
        found[plain(f"<{name}").split(" higher")[0].split(" lower")[0]] = [
            plain(f"<td{cell}") for cell in cells
        ]
    return found


def plain(html: str) -> str:
    """The words of a piece of HTML."""
    words = "".join(" " + part.partition(">")[2] for part in html.split("<"))
    return " ".join(words.replace("\N{NO-BREAK SPACE}", " ").split())


def test_each_is_set_against_the_first_and_against_the_bare(client: TestClient) -> None:
    found = table(client.get("/s/1/compare?t=3,4,5").text)
    assert found["accuracy"] == [
        "85.00 % +5.00 against bare",
        "91.23 % +6.23 better +11.23 against bare",
        "83.00 % −2.00 worse +3.00 against bare",
    ]
    assert found["parameters"] == [
        "273.0 k +0.193 % against bare",
        "310.0 k +13.6 % worse +13.8 % against bare",
        "272.0 k −0.366 % better −0.174 % against bare",
    ]
    assert found["GFLOPs"] == [
        "0.04040 +1.00 % against bare",
        "0.05000 +23.8 % worse +25.0 % against bare",
        "0.05200 +28.7 % worse +30.0 % against bare",
    ]


def test_the_order_of_the_address_says_who_is_first(client: TestClient) -> None:
    found = table(client.get("/s/1/compare?t=4,3").text)
    assert found["accuracy"][1].startswith("85.00 % −6.23 worse")
    assert "−19.2 % better" in found["GFLOPs"][1]


def test_equal_figures_are_the_same(client: TestClient, session: Session, study: Study) -> None:
    add_trial(session, study, 10, extra=0.25, parameters=310_000, curve=(0.7, 0.9123))
    session.commit()
    found = table(client.get("/s/1/compare?t=4,10").text)
    assert "the same" in found["accuracy"][1] and "the same" in found["GFLOPs"][1]


def test_unfinished_accuracies_are_not_set_against_finished_ones(client: TestClient) -> None:
    page = client.get("/s/1/compare?t=4,6,8").text
    found = table(page)
    assert found["accuracy"][1:] == ["20.00 %", "55.00 %"]
    assert "better" in found["GFLOPs"][1]  # costs compare all the same
    assert "only where both trials are fully trained" in page
    assert "only where both trials" not in client.get("/s/1/compare?t=3,4").text


def test_the_bare_backbone_is_not_set_against_itself(client: TestClient) -> None:
    found = table(client.get("/s/1/compare?t=0,4").text)
    assert found["accuracy"][0] == "80.00 %"
    assert found["GFLOPs"][0] == "0.04000"


def test_where_they_differ_is_told_place_by_place(client: TestClient) -> None:
    answer = client.get(f"{API}?t=3,4,1").json()
    assert [one["n"] for one in answer["trials"]] == [3, 4, 1]
    assert answer["trials"][1] == client.get("/api/v1/studies/1/trials/4").json()
    assert answer["diff"] == [
        {"place": "s1b1", "site": "layer1.0", "values": ["none", "none", "se"]},
        {"place": "s1b2", "site": "layer1.1", "values": ["none", "none", "se"]},
        {"place": "s2b1", "site": "layer2.0", "values": ["none", "aw", "se"]},
        {"place": "s2b2", "site": "layer2.1", "values": ["none", "none", "se"]},
        {"place": "s3b1", "site": "layer3.0", "values": ["none", "none", "se"]},
        {"place": "s3b2", "site": "layer3.1", "values": ["eca", "se", "se"]},
        {"place": "s3", "site": "layer3", "values": ["none", "steam", "none"]},
    ]


def test_other_settings_of_a_module_are_a_difference(
    client: TestClient, session: Session, study: Study
) -> None:
    for number, reduction in ((10, 8), (11, 16)):
        trial = add_trial(session, study, number, extra=0.1, curve=(0.5,))
        module = Module("layer2.0", "se", {"reduction": reduction})
        trial.placement = Placement.of("cifar-resnet20", [module]).spelling
    session.commit()
    (place,) = client.get(f"{API}?t=10,11").json()["diff"]
    assert place["values"] == ["se(reduction=8)", "se(reduction=16)"]
    page = client.get("/s/1/compare?t=10,11").text
    assert "~ layer2.0: se(reduction=8) -&gt; se(reduction=16)" in page
    assert page.count("≠") >= 2  # in both pictures, and it says what that means


def test_another_backbone_is_a_difference(
    client: TestClient, session: Session, study: Study
) -> None:
    trial = add_trial(session, study, 10, extra=0.1, curve=(0.5,))
    trial.placement = Placement.of("cifar-resnet32", [], 24).spelling
    session.commit()
    first, *_ = client.get(f"{API}?t=3,10").json()["diff"]
    assert first == {
        "place": "backbone",
        "site": "backbone",
        "values": ["cifar-resnet20", "cifar-resnet32 at 24 pixels"],
    }


def test_seeds_of_one_architecture_do_not_differ(
    client: TestClient, session: Session, study: Study
) -> None:
    first = store.find_trial(session, study, 4)
    trial = add_trial(session, study, 10, extra=0.25, curve=(0.6, 0.90))
    trial.key, trial.seed, trial.placement = first.key, 1, first.placement
    session.commit()
    assert client.get(f"{API}?t=4,10").json()["diff"] == []
    page = client.get("/s/1/compare?t=4,10").text
    assert "The same architecture, trained with other seeds." in page
    assert "± 0.87 over 2 seeds" in page


@pytest.mark.parametrize("query", ["", "?t=", "?t=4", "?t=4,4"])
def test_fewer_than_two_are_told_how_to_choose(client: TestClient, query: str) -> None:
    page = client.get(f"/s/1/compare{query}")
    assert page.status_code == 200
    assert "Choose two to four trials" in page.text
    assert ("Trial 4 is one" in page.text) == ("4" in query)


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("t=1,2,3,4,5", 400, "at most 4 trials fit side by side, got 5"),
        ("t=1,x", 400, "t must be a whole number, got 'x'"),
        ("t=1,-2", 400, "t must be a whole number, got '-2'"),
        ("t=1,99", 404, "study 'digits' has no trial 99; it has trials 0 to 9"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_sentence(
    client: TestClient, query: str, status: int, sentence: str
) -> None:
    answer = client.get(f"{API}?{query}")
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, sentence)
    assert client.get(f"/s/1/compare?{query}").status_code == status


def test_the_same_images_stand_side_by_side(
    client: TestClient, session: Session, study: Study, tmp_path: Path
) -> None:
    ids = []
    for number in (0, 4):
        path = tmp_path / "digits-0123abcd" / str(number) / "attention.zip"
        about = looks_file(path)
        if number == 4:
            about["images"].reverse()  # another order, or another choice of images
            about["images"][0]["index"] = 77
        trial = store.find_trial(session, study, number)
        one = Artifact(
            study_id=1, trial_id=trial.id, kind="attention", address=str(path), about=about
        )
        session.add(one)
        store._change(trial)
        session.commit()
        ids.append(one.id)
    page = client.get("/s/1/compare?t=0,4,3").text
    looks = page.split('id="looks"')[1]
    heads = looks.split("<thead>")[1].split("</thead>")[0].split('<th scope="col">')[2:]
    assert len(heads) == 3  # images 5, 9 and 77

    def cells(trial: int, row: int) -> list[str]:
        line = looks.split("<tbody>")[1 + trial].split("</tbody>")[0].split("<tr>")[1 + row]
        return line.split("<td")[1:]

    first, second, third = cells(0, 1)
    assert (
        f"/artifacts/{ids[0]}/images/0/1" in first and f"/artifacts/{ids[0]}/images/1/1" in second
    )
    assert "<img" not in third
    first, second, third = cells(1, 1)
    assert f"/artifacts/{ids[1]}/images/1/1" in first and "<img" not in second
    assert f"/artifacts/{ids[1]}/images/0/1" in third
    assert [cell.count("not drawn") for cell in cells(2, 0)] == [1, 1, 1]  # of trial 3
    assert "<img src=x" not in page


def test_hostile_names_stay_text(client: TestClient, session: Session, study: Study) -> None:
    trial = store.find_trial(session, study, 3)
    module = Module("layer1.0", "se", {"head": EVIL})
    trial.placement = Placement.of("cifar-resnet20", [module]).spelling
    study.name = EVIL
    store._change(trial)
    session.commit()
    page = client.get("/s/1/compare?t=3,4").text
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_an_answer_is_made_once_for_a_cursor(client: TestClient) -> None:
    for path in ("/s/1/compare?t=3,4", f"{API}?t=3,4"):
        tag = client.get(path).headers["etag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
