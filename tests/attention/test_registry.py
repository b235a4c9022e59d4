import pytest
import torch
from torch import Tensor, nn

from foveate import attention
from foveate.attention import _registry
from foveate.errors import BadValue, UnknownName


@pytest.fixture(autouse=True)
def _forgets_what_a_test_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_ENTRIES", dict(_registry._ENTRIES))


class Brighten(nn.Module):
    """Add a little light (nobody, 2025)."""

    def __init__(self, channels: int, *, identity_init: bool = False, light: int = 2) -> None:
        super().__init__()
        self.light = 0 if identity_init else light

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return x_NCHW + self.light


def test_a_typo_is_answered_with_the_name_that_was_meant() -> None:
    with pytest.raises(
        UnknownName, match=r"^no attention module 'ecaa'; did you mean 'eca'\? there"
    ):
        attention.entry("ecaa")


def test_a_name_like_no_other_is_answered_with_what_there_is() -> None:
    with pytest.raises(UnknownName) as raised:
        attention.entry("zzz")
    known = ", ".join(attention.names())
    assert str(raised.value) == f"no attention module 'zzz'; there are: {known}"


def test_names_are_sorted_and_each_is_an_entry() -> None:
    assert attention.names() == sorted(attention.names())
    assert [attention.entry(name).name for name in attention.names()] == attention.names()


def test_a_registered_class_is_in_the_search() -> None:
    choice = attention.Choice(1, 2, default=2)
    add = attention.register(
        "brighten", attends="light", paper="https://a.b", sites=("branch",), light=choice
    )
    assert add(Brighten) is Brighten
    entry = attention.entry("brighten")
    assert "brighten" in attention.names()
    assert entry.summary == "Add a little light (nobody, 2025)."
    assert entry.kind == "gate"
    assert torch.equal(entry.build(3, (1, 1), light=1)(torch.zeros(1)), torch.ones(1))
    assert torch.equal(entry.build(3, (1, 1), identity_init=True)(torch.zeros(1)), torch.zeros(1))


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match=r"^attention 'se' is already registered, by .*Squeeze"):
        attention.register("se", attends="light", paper="https://a.b", sites=("branch",))(Brighten)
    assert attention.entry("se").cls is not Brighten


def test_a_default_is_the_classs_own() -> None:
    choice = attention.Choice(1, 2, default=1)
    with pytest.raises(ValueError, match=r"^Brighten must take light=1$"):
        attention.register(
            "brighten", attends="light", paper="https://a.b", sites=("branch",), light=choice
        )(Brighten)
    assert "brighten" not in attention.names()


def test_a_hyper_parameter_is_a_keyword_of_the_class() -> None:
    choice = attention.Choice(1, 2, default=2)
    with pytest.raises(ValueError, match=r"^Brighten must take shade=2$"):
        attention.register(
            "brighten", attends="light", paper="https://a.b", sites=("branch",), shade=choice
        )(Brighten)
    assert "brighten" not in attention.names()


def test_a_default_is_one_of_the_choices() -> None:
    with pytest.raises(ValueError, match=r"^the default 3 is none of the choices \(1, 2\)$"):
        attention.Choice(1, 2, default=3)


def test_a_choice_tells_the_types_of_equal_values_apart() -> None:
    choice = attention.Choice(0, 1, default=0)
    choice.check("reach", 1)
    for twin in (True, 1.0):
        with pytest.raises(BadValue, match=rf"^reach may be 0 or 1, got {twin}$"):
            choice.check("reach", twin)


def test_the_default_of_a_choice_passes_its_own_check() -> None:
    with pytest.raises(ValueError, match="is none of the choices"):
        attention.Choice(0, 1, default=False)


def test_a_choice_reads_as_it_is_written() -> None:
    assert repr(attention.Choice("in", "out", default="in")) == "Choice('in', 'out', default='in')"
