from math import inf, nan
from typing import Any, Literal

import pytest
from pydantic import Field, field_validator

from foveate._settings import Settings
from foveate.errors import BadValue, UnknownName, UserError


class Inner(Settings):
    count: int = Field(3, ge=1)
    mode: Literal["slow", "fast"] = "slow"
    share: float = Field(0.5, gt=0)


class Outer(Settings):
    inner: Inner = Inner()
    names: tuple[str, ...] = ("a",)
    needed: str

    @field_validator("names")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise BadValue("names names nothing")
        return names


def test_settings_are_plain_data_and_back() -> None:
    settings = Outer(needed="x", inner=Inner(count=7), names=("b", "c"))
    plain = settings.to_dict()
    assert plain["inner"] == {"count": 7, "mode": "slow", "share": 0.5}
    assert plain["names"] == ["b", "c"]
    assert Outer.of(plain) == settings


def test_settings_do_not_change_and_may_be_keys() -> None:
    settings = Inner()
    with pytest.raises(ValueError, match="frozen"):
        settings.count = 4
    assert {settings: 1}[Inner(count=3)] == 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "needed is missing"),
        ({"needed": 3}, "needed: should be a valid string, got 3"),
        ({"inner": {"count": 0}}, "inner.count: should be greater than or equal to 1, got 0"),
        ({"inner": {"mode": "sloow"}}, "inner.mode may be 'slow' or 'fast', got 'sloow'"),
        ({"inner": None}, "inner: should be a valid dictionary or instance of Inner, got None"),
        ({"names": [1]}, "names.0: should be a valid string, got 1"),
        ({"names": []}, "names names nothing"),
        (
            {"inner": {"cuont": 1}},
            "no setting 'inner.cuont'; did you mean 'inner.count'? there are: "
            "inner.count, inner.mode, inner.share",
        ),
        (
            {"iner": {}},
            "no setting 'iner'; did you mean 'inner'? there are: inner, names, needed",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_path(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        Outer.of({"needed": "x"} | values if values else {})
    assert str(caught.value) == sentence


def test_an_unknown_key_is_an_unknown_name_and_the_rest_are_bad_values() -> None:
    with pytest.raises(UnknownName):
        Inner.of({"cuont": 1})
    with pytest.raises(BadValue):
        Inner.of({"count": "many"})


@pytest.mark.parametrize("number", [inf, -inf, nan])
def test_a_number_is_finite(number: float) -> None:
    """JSON has no other numbers, and a column of PostgreSQL takes JSON as it is written."""
    with pytest.raises(BadValue, match=r"^share: "):
        Inner(share=number)


def test_a_key_that_is_no_text_is_a_users_mistake() -> None:
    with pytest.raises(UserError):
        Inner.of({1: 2})  # type: ignore[dict-item]  # YAML can hold it
