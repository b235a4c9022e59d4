"""How numbers are written."""

from datetime import datetime, timedelta

import pytest

from foveate.dashboards import numbers


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


@pytest.mark.parametrize(
    ("share", "text"), [(0.7846, "78.46 %"), (1.0, "100.00 %"), (0.0, "0.00 %"), (None, "–")]
)
def test_accuracy_is_in_percent_with_two_decimals(share: float | None, text: str) -> None:
    assert plain(numbers.percent(share)) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0716, "+7.16"), (-0.0716, "-7.16"), (0.0, "+0.00"), (-1e-9, "+0.00")]
)
def test_a_delta_has_its_sign(share: float, text: str) -> None:
    assert plain(numbers.delta(share)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.2494, "2.249"),
        (1.9, "1.900"),
        (0.04004, "0.04004"),
        (12.3456, "12.35"),
        (9.99996, "10.00"),
        (1234.4, "1,234"),
        (123456.0, "123,456"),
        (0.0000123456, "0.00001235"),
        (0.0, "0"),
    ],
)
def test_gflops_have_four_significant_digits_and_no_exponent(value: float, text: str) -> None:
    assert numbers.gflops(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12.345, "+12.3 %"), (-0.04119, "-0.0412 %"), (0.0, "±0 %"), (None, "–")]
)
def test_extra_cost_has_its_sign_and_unit(value: float | None, text: str) -> None:
    assert plain(numbers.signed(value, "%")) == text


@pytest.mark.parametrize(
    ("count", "text"), [(512, "512"), (272_474, "272.5 k"), (13_738_000, "13.74 M"), (0, "0")]
)
def test_parameters_are_counted_in_thousands_and_millions(count: int, text: str) -> None:
    assert plain(numbers.parameters(count)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (3, "3 s ago"), (240, "4 min ago"), (9000, "2.5 h ago"), (5e5, "6 d ago")],
)
def test_a_time_is_told_as_how_long_it_is_past(seconds: float, text: str) -> None:
    then = datetime(2026, 1, 1)
    assert plain(numbers.ago(then, then + timedelta(seconds=seconds))) == text
    assert numbers.ago(then, then - timedelta(seconds=5)) == "just now"  # clocks differ
