import pytest

from foveate.errors import BadValue, UnknownName, UserError, listed, unknown


def test_a_typo_is_answered_with_the_name_that_was_meant() -> None:
    error = unknown("fruit", "aple", ["apple", "pear"])
    assert str(error) == "no fruit 'aple'; did you mean 'apple'? there are: apple, pear"


def test_a_name_that_is_near_to_none_gets_no_guess() -> None:
    assert str(unknown("fruit", "xyz", ["apple"])) == "no fruit 'xyz'; there are: apple"
    assert str(unknown("fruit", "apple", [])) == "no fruit 'apple'; there are none"


def test_a_long_list_is_cut_and_says_so() -> None:
    known = [f"name{number}" for number in range(25)]
    sentence = str(unknown("thing", "?", known))
    assert "name19 and 5 more" in sentence and "name20" not in sentence
    assert str(unknown("thing", "?", known, shown=25)).endswith("name24")


@pytest.mark.parametrize(
    ("words", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ([1, 2, 3], "1, 2 and 3")],
)
def test_names_are_listed_as_in_speech(words: list[object], text: str) -> None:
    assert listed(words) == text
    assert listed(iter(words)) == text


def test_alternatives_are_listed_with_or() -> None:
    assert listed("abc", last="or") == "a, b or c"


@pytest.mark.parametrize(("error", "parent"), [(BadValue, ValueError), (UnknownName, LookupError)])
def test_a_users_mistake_is_also_what_python_calls_it(
    error: type[UserError], parent: type[Exception]
) -> None:
    assert issubclass(error, UserError) and issubclass(error, parent)
    assert not issubclass(KeyError, UserError)
    assert str(error("a sentence")) == "a sentence"  # KeyError would show it in quotes
    assert str(error()) == ""
