"""What a browser is kept from: foreign code, foreign servers, other people's studies."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from foveate.benchmarks.chromium import until

from .conftest import Serve, Trouble, Visit
from .front import drawn, open_chosen, place
from .studies import database, hostile

TOKEN = "correct horse ü"
HURT = "() => window.hurt !== undefined || document.querySelector('img[src=\"x\"]') !== null"


# ----------------------------------------------------------------------- what these tests can see


def test_a_script_in_the_page_would_be_noticed(
    serve: Serve, storage: str, visit: Visit, trouble: Trouble
) -> None:
    page = visit(serve(storage), "/")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), "
        "{ textContent: 'window.hurt = true' }))"
    )
    until(page, "() => window.hurt === undefined")
    page.wait_for_timeout(100)
    assert any(one.startswith("policy: script-src") for one in trouble.found)
    assert any(one.startswith("console:") for one in trouble.found)
    trouble.expect("script-src|inline script")


def test_a_request_to_another_server_would_be_noticed(
    serve: Serve, storage: str, visit: Visit, trouble: Trouble
) -> None:
    page = visit(serve(storage), "/healthz")  # the server of an allowed page
    page.evaluate("location.href = 'http://elsewhere.example/'")
    page.wait_for_timeout(300)
    assert "strayed: http://elsewhere.example/" in trouble.found
    trouble.expect("elsewhere.example")


def test_the_policy_lets_no_page_ask_another_server(
    serve: Serve, storage: str, visit: Visit, trouble: Trouble
) -> None:
    page = visit(serve(storage), "/")
    refused = "fetch('http://elsewhere.example/').then(() => 'answered', () => 'refused')"
    assert page.evaluate(refused) == "refused"
    page.wait_for_timeout(200)
    assert any(re.match("policy: .*http://elsewhere.example/", one) for one in trouble.found)
    assert not any(one.startswith("strayed:") for one in trouble.found)  # it was not even sent
    trouble.expect("elsewhere.example")


# ------------------------------------------------------------------------------------ hostile names


def test_hostile_names_stay_text(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    storage = database(tmp_path / "hostile.db")
    hostile(storage)
    server = serve(storage)
    page = visit(server, "/")
    assert "<img src=x" in page.locator("main").inner_text()
    page.goto(f"{server.url}/s/1?cost=gflops")
    front = drawn(page, front=3)["front"]
    for i in range(front):  # the chart's tooltip, and the drawer
        at = place(page, i)
        page.mouse.move(at["x"] - 30, at["y"])
        page.mouse.move(at["x"], at["y"], steps=4)
        until(page, "() => document.querySelector('.tip')?.textContent.includes('Trial #')")
        page.mouse.click(at["x"], at["y"])
        open_chosen(page, i)
        assert not page.evaluate(HURT)
    for number in (3, 4):  # the error's text; the worker's name
        page.goto(f"{server.url}/s/1?t={number}")
        drawn(page)
        open_chosen(page, number)
        assert "<img src=x" in page.locator("#drawer").inner_text()
        assert not page.evaluate(HURT)


# -------------------------------------------------------------------------------------- the token


def cookie(page: Page) -> dict[str, object]:
    (one,) = page.context.cookies()
    return dict(one)


def test_a_reader_logs_in_and_comes_to_the_page_that_was_asked_for(
    serve: Serve, storage: str, visit: Visit, trouble: Trouble
) -> None:
    trouble.expect("status of 401")
    page = visit(serve(storage, token=TOKEN), "/s/1?t=4&cost=params")
    assert "digits" not in page.content()
    assert page.context.cookies() == []
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Open").click()
    page.get_by_text("That is not the token.").wait_for()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_label("Token").press("Enter")
    drawn(page)
    open_chosen(page, 4)
    assert page.url.endswith("/s/1?t=4&cost=params")
    kept = cookie(page)
    assert (kept["httpOnly"], kept["sameSite"], kept["path"]) == (True, "Strict", "/")
    assert page.evaluate("document.cookie") == ""
    assert TOKEN not in str(kept["value"])


def test_a_token_in_the_address_does_not_stay_there(
    serve: Serve, storage: str, visit: Visit
) -> None:
    server = serve(storage, token="horse")
    page = visit(server, "/s/1?t=4&token=horse")
    drawn(page)
    assert page.url == f"{server.url}/s/1?t=4"
    assert "horse" not in page.evaluate("performance.getEntries().map((one) => one.name).join()")
    page.goto(f"{server.url}/")
    page.get_by_role("link", name="digits").wait_for()


@pytest.mark.parametrize("path", ["/s/1", "/"])
def test_who_loses_the_token_is_asked_for_it_again(
    serve: Serve, storage: str, visit: Visit, trouble: Trouble, path: str
) -> None:
    trouble.expect("status of 401|ERR_CONNECTION_REFUSED")
    page = visit(serve(storage, token="horse"), f"{path}?token=horse")
    page.locator("main h1, main h2").first.wait_for()
    page.context.clear_cookies()
    page.get_by_label("Token").wait_for(timeout=8_000)  # with the next poll


def test_no_other_page_may_show_ours_in_a_frame(
    serve: Serve, storage: str, visit: Visit, trouble: Trouble
) -> None:
    trouble.expect("frame-ancestors|ERR_BLOCKED_BY_RESPONSE|status of 403")
    server = serve(storage)
    page = visit(server)
    page.set_content(f'<iframe src="{server.url}/s/1"></iframe>')
    page.wait_for_timeout(500)
    assert any("frame-ancestors" in one for one in trouble.found)
