"""Placements as they are written by hand."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveate import attention
from foveate.errors import BadValue, UnknownName, UserError
from foveate.spaces import Placement, place, sites
from foveate.spaces.plugging import complete, everywhere


def written(*texts: str) -> list[tuple[str, str]]:
    """The sites and the modules, with all hyper-parameters, of what is written."""
    found = place("resnet14", texts, image_size=32)
    assert complete(found, 32) == found
    return [(module.site, str(module)) for module in found.modules]


def test_a_module_at_a_path_has_its_defaults() -> None:
    assert written("layer1.0.bn2=se") == [("layer1.0.bn2", "se(reduction=16)")]
    assert written("layer1.0.bn2=se()") == written(" layer1.0.bn2 = se ( ) ")


def test_hyper_parameters_are_written_as_in_a_call() -> None:
    assert written("layer1.0.conv1=aw( reduction = 8 , share=out,)") == [
        ("layer1.0.conv1", "aw(reduction=8, share=out)")
    ]


@pytest.mark.parametrize("text", ["kernel=auto", "kernel='auto'", 'kernel="auto"', ""])
def test_a_word_needs_no_quotes(text: str) -> None:
    assert written(f"layer1.0.bn2=eca({text})") == [("layer1.0.bn2", "eca(kernel=auto)")]


def test_a_number_keeps_its_type() -> None:
    (found,) = written("layer1.0.bn2=cram(equivariance=1.0, sharpness=5)")
    assert "equivariance=1.0" in found[1]
    assert "sharpness=5" in found[1]


def test_another_name_of_a_site_means_the_site() -> None:
    assert written("layer1=steam") == written("layer1.1=steam")


def test_a_glob_takes_the_sites_where_the_paper_places_the_module() -> None:
    assert [site for site, _ in written("layer[12].*=eca")] == [
        f"layer{stage}.{block}.bn2" for stage in (1, 2) for block in range(2)
    ]
    assert [site for site, _ in written("*=steam")] == ["layer1.1", "layer2.1", "layer3.1", "relu"]


def test_a_glob_without_such_sites_takes_all_where_the_module_can_stand() -> None:
    assert [site for site, _ in written("layer1.?=se")] == ["layer1.0", "layer1.1"]


def test_a_glob_of_modules_that_inspection_does_not_propose_takes_these() -> None:
    assert [site for site, _ in written("layer1.*.bn1=se")] == ["layer1.0.bn1", "layer1.1.bn1"]
    assert written("layer1.1.bn1=se") == written("layer1.1.bn1=se")


def test_several_texts_make_one_placement_in_their_order() -> None:
    assert [str(name) for _, name in written("layer1=steam", "layer1.1=bam", "layer1=gct")] == [
        "steam(grid=7, heads=4, reach=1)",
        "bam(reduction=16)",
        "gct",
    ]
    assert place("resnet8", []) == Placement("resnet8")


@pytest.mark.parametrize("name", attention.names())
def test_everywhere_is_a_star(name: str) -> None:
    assert place("resnet14", [f"*={name}"], image_size=32) == everywhere("resnet14", name, 32)


WRONG: list[tuple[str, type[UserError], str]] = [
    *[
        (
            text,
            BadValue,
            r"^a placement is written layer3\.\*=eca or layer3\.\*=se\(reduction=8\), got ",
        )
        for text in (
            "",
            " ",
            "se",
            "layer1=",
            "=se",
            "layer1==se",
            "layer 1=se",
            "layer1=se(",
            "a=b=c",
        )
    ],
    (
        "layer1=se(8)",
        BadValue,
        r"^a hyper-parameter is written key=value, got '8' in 'layer1=se\(8\)'$",
    ),
    (
        "layer1=se(=8)",
        BadValue,
        r"^a hyper-parameter is written key=value, got '=8' in 'layer1=se\(=8\)'$",
    ),
    (
        "layer1=se(reduction=8, reduction=4)",
        BadValue,
        r"^reduction is given twice in 'layer1=se\(reduction=8, reduction=4\)'$",
    ),
    ("layer1=se(reduction=)", BadValue, r"^se: reduction may be 4, 8, 16 or 32, got ''$"),
    ("layer1=se(reduction=8.0)", BadValue, r"^se: reduction may be 4, 8, 16 or 32, got 8\.0$"),
    ("layer1=se(reduction=true)", BadValue, r"^se: reduction may be 4, 8, 16 or 32, got True$"),
    ("layer1=se(reduction=False)", BadValue, r"^se: reduction may be 4, 8, 16 or 32, got False$"),
    ("layer1=se(reduction=None)", BadValue, r"^se: reduction may be .*, got 'None'$"),
    ("layer1=se(reduction=1e999)", BadValue, r"^se: reduction may be .*, got '1e999'$"),
    ("layer1=se(reduction=-1e999)", BadValue, r"^se: reduction may be .*, got '-1e999'$"),
    (
        "layer1=se(reductoin=8)",
        UnknownName,
        r"^no hyper-parameter of 'se' called 'reductoin'; did you mean 'reduction'\? ",
    ),
    ("layer9=see", UnknownName, r"^no attention module 'see'; did you mean 'se'\? "),
    ("layer9=se", UnknownName, r"^no site of resnet14 called 'layer9'; did you mean 'layer\d\.\d'"),
    ("layer9.*=se", UnknownName, r"^no site of resnet14 called 'layer9\.\*'; "),
    (
        "layer1.0=aw",
        BadValue,
        r"^aw takes a convolution, and 'layer1\.0' is a site of kind block$",
    ),
    ("*.bn2=aw", BadValue, r"^aw can stand at none of the 6 sites '\*\.bn2'$"),
    (
        "relu=remove",
        BadValue,
        r"^remove takes out an attention of the backbone's own, and 'relu' is a site of kind stem$",
    ),
    ("*.bn2=remove", BadValue, r"^remove can stand at none of the 6 sites '\*\.bn2'$"),
]


@pytest.mark.parametrize(("text", "error", "sentence"), WRONG)
def test_what_cannot_be_meant_is_refused_with_a_sentence(
    text: str, error: type[UserError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        place("resnet14", [text], image_size=32)


def test_a_backbone_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"^no backbone 'resnet9'; "):
        place("resnet9", ["layer1=se"])


TEXTS = st.one_of(st.text(max_size=20), st.text("ab=(),'\" *.[1]e9-", max_size=20))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(["", *(site.path for site in sites("resnet8", 32)[:4])]), TEXTS, TEXTS)
def test_whatever_is_written_is_taken_or_refused_with_a_sentence(
    path: str, name: str, chosen: str
) -> None:
    for text in (f"{path}={name}", f"{path}=se({chosen})", f"{path}=se(reduction={chosen})", name):
        with suppress(UserError):
            place("resnet8", [text], image_size=32)
