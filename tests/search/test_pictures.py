from foveate.search.pictures import as_file, study_glyphs
from foveate.search.records import Study
from foveate.spaces import Module, Placement, sites
from foveate.spaces.glyphs import glyph

PLUGIN = """
import foveate.attention
from foveate.attention import Choice, register
NAME = "fourth"

@register("first", attends="nothing", kind="mixer")
class First: ...

@foveate.attention.register("second", kind="weight", attends="nothing", size=Choice(1, default=1))
class Second: ...

@register("third", attends="nothing")
class Third: ...

@register(NAME, attends="nothing", kind="mixer")
class Fourth: ...
"""


def test_modules_of_a_plugin_have_the_family_of_their_kind() -> None:
    modules = ["first", "fourth", "se", "second", "third"]
    plugins = [{"path": "a.py", "source": PLUGIN}]
    found = study_glyphs({"space": {"modules": modules}, "plugins": plugins})
    assert {name: one.family for name, one in found.items()} == {
        "first": "convolution",
        "fourth": "other",  # its name is known only to who runs the file
        "se": "channels",
        "second": "convolution",
        "third": "other",
    }


def test_a_plugin_of_a_later_python_can_be_shown() -> None:
    plugins = [{"path": "a.py", "source": "x = = 3"}]
    found = study_glyphs({"space": {"modules": ["spread"]}, "plugins": plugins})
    assert found["spread"].family == "other"


def test_a_study_from_before_plugins_can_be_shown() -> None:
    assert study_glyphs({"space": {"modules": ["se"]}})["se"] == glyph("se")


def test_the_file_of_a_trial_looks_as_the_study_does() -> None:
    study = Study(
        spec={"space": {"modules": ["fca", "se"]}, "plugins": []},
        sites=[site.to_dict() for site in sites("resnet8", 32)],
    )
    text = as_file(study, Placement.of("resnet8", [Module("layer1.0.bn2", "se")]))
    assert "prefers-color-scheme" in text
    assert study_glyphs(study.spec)["se"].colour in text
    assert glyph("se").colour not in text  # which is fca's here
