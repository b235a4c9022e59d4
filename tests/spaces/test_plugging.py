import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from foveate import attention
from foveate.errors import BadValue, UnknownName
from foveate.spaces import Module, Placement, sites
from foveate.spaces.networks import backbone
from foveate.spaces.plugging import attach, build, complete, plug

BRANCH, CONV = "layer2.0.bn2", "layer2.0.conv2"
STARTS_AS_THE_IDENTITY = {"gc", "gct", "nonlocal"}  # as their authors start them


@pytest.fixture(autouse=True)
def _the_same_numbers_in_every_run() -> None:
    torch.manual_seed(0)


def placed(*modules: Module, name: str = "resnet8") -> Placement:
    return Placement.of(name, modules)


def everywhere(name: str, backbone: str) -> Placement:
    """``name`` at every site of its kinds."""
    kinds = attention.entry(name).sites
    there = [site.path for site in sites(backbone, 64) if {*kinds} & {*site.kinds}]
    return Placement.of(backbone, [Module(path, name) for path in there])


MIXED = placed(
    Module("relu", "steam"),
    Module("layer1.0.conv1", "aw"),
    Module("layer1.0.bn2", "se"),
    Module("layer1.0.bn2", "cram", (("equivariance", 1.0),)),
    Module(CONV, "aw", (("share", "out"),)),
    Module(BRANCH, "cbam"),
    Module("layer3", "steam"),
)
ALL = [everywhere(name, "resnet8") for name in attention.names()]
PLACEMENTS = [pytest.param(p, id="+".join(p.names)) for p in [*ALL, MIXED]]


def images(count: int = 2, size: int = 16) -> torch.Tensor:
    return torch.randn(count, 3, size, size)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_backbone_keeps_its_names_and_weights(placement: Placement) -> None:
    model = backbone("resnet8", 5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    after = plug(model, placement, identity_init=True).state_dict()
    assert before.keys() < after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_weights_of_the_bare_backbone_load(placement: Placement) -> None:
    bare, model = backbone("resnet8", 5), build(placement, 5, identity_init=True)
    missing, unexpected = model.load_state_dict(bare.state_dict(), strict=False)
    assert unexpected == []
    assert set(missing) <= model.state_dict().keys() - bare.state_dict().keys()
    assert torch.equal(model.state_dict()["fc.weight"], bare.fc.weight)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_with_identity_init_the_network_computes_what_it_did(placement: Placement) -> None:
    model, x = backbone("resnet8", 5), images()
    model.train()(x)  # so that the running statistics are not those of a new network
    expected = model.eval()(x)
    plugged = plug(model, placement, identity_init=True)
    assert_close(plugged.eval()(x), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_without_it_the_modules_change_what_the_network_computes(placement: Placement) -> None:
    if placement.names[0] in STARTS_AS_THE_IDENTITY:
        return
    model, x = backbone("resnet8", 5).eval(), images()
    expected = model(x)
    assert not torch.allclose(plug(model, placement).eval()(x), expected, atol=1e-4)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_plugged_network_trains(placement: Placement) -> None:
    model = build(placement, 5)
    model(images(4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_module_runs_once(placement: Placement) -> None:
    model, ran = build(placement, 5).eval(), []
    classes = tuple(attention.entry(name).cls for name in placement.names)
    for path, module in model.named_modules():
        if isinstance(module, classes):
            module.register_forward_hook(lambda *_, path=path: ran.append(path))
    model(images())
    assert sorted(ran) == sorted({*ran})
    assert len(ran) == len(placement.modules)


@pytest.mark.parametrize("name", attention.names())
@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_torchvisions_networks_take_every_module(backbone: str, name: str) -> None:
    with torch.device("meta"):
        logits = build(everywhere(name, backbone), 5)(torch.empty(2, 3, 64, 64))
    assert logits.shape == (2, 5)


def test_the_empty_placement_is_the_bare_backbone() -> None:
    torch.manual_seed(3)
    bare = backbone("resnet8", 5).eval()
    torch.manual_seed(3)
    built, x = build(placed(), 5).eval(), images()
    assert built.state_dict().keys() == bare.state_dict().keys()
    assert torch.equal(built(x), bare(x))


def test_a_gate_is_the_child_of_the_module_at_its_site() -> None:
    model = build(placed(Module(BRANCH, "se")), 5)
    host = model.get_submodule(BRANCH)
    assert isinstance(host.attention, attention.entry("se").cls)
    x = torch.randn(2, 32, 4, 4)
    assert_close(host(x), host.attention(host.forward(x)))


def test_two_gates_at_a_site_apply_in_the_order_of_the_placement() -> None:
    model = build(placed(Module(BRANCH, "cbam"), Module(BRANCH, "se")), 5).eval()
    host, x = model.get_submodule(BRANCH), torch.randn(2, 32, 4, 4)
    assert isinstance(host.attention, attention.entry("cbam").cls)
    assert isinstance(host.attention1, attention.entry("se").cls)
    assert_close(host(x), host.attention1(host.attention(host.forward(x))))
    assert not torch.allclose(host(x), host.attention(host.attention1(host.forward(x))))


def test_any_number_of_gates_may_stand_at_a_site() -> None:
    host, x = nn.Identity(), torch.ones(1)
    for _ in range(4):
        attach(host, nn.Linear(1, 1))
    expected = x
    for gate in (host.attention, host.attention1, host.attention2, host.attention3):
        expected = gate(expected)
    assert torch.equal(host(x), expected)


def test_a_gate_behind_a_container_is_applied_once() -> None:
    """A container runs its children, and the gate is one of them."""
    host, x = nn.Sequential(nn.Identity()), torch.full((1,), 3.0)
    for factor in (2.0, 5.0):
        gate = nn.Linear(1, 1, bias=False)
        nn.init.constant_(gate.weight, factor)
        attach(host, gate)
    assert host(x).item() == 3 * 2 * 5


def test_a_weight_attention_takes_the_place_of_its_convolution() -> None:
    model = backbone("resnet8", 5)
    conv = model.get_submodule(CONV)
    plug(model, placed(Module(CONV, "aw", (("share", "out"),))))
    wrapped = model.get_submodule(CONV)
    assert isinstance(wrapped, attention.entry("aw").cls)
    assert wrapped.weight is conv.weight
    assert wrapped.share == "out"


def test_a_weight_attention_stands_below_a_gate() -> None:
    model = build(placed(Module(BRANCH, "se"), Module(CONV, "aw")), 5)
    names = set(model.state_dict())
    assert {f"{CONV}.reduce.weight", f"{CONV}.weight", f"{BRANCH}.attention.squeeze.bias"} <= names
    heard = []
    model.get_submodule(CONV).register_forward_hook(lambda *_: heard.append("aw"))
    model.get_submodule(f"{BRANCH}.attention").register_forward_hook(lambda *_: heard.append("se"))
    model(images())
    assert heard == ["aw", "se"]


def test_hyper_parameters_arrive() -> None:
    model = build(placed(Module(BRANCH, "se", (("reduction", 4),))), 5)
    assert model.get_submodule(f"{BRANCH}.attention").squeeze.out_features == 8


def test_a_copy_has_its_own_modules() -> None:
    model, x = build(MIXED, 5).eval(), images()
    twin, expected = copy.deepcopy(model), model(x)
    assert torch.equal(twin(x), expected)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            if "attention" in name:
                parameter.fill_(3)
    assert torch.equal(model(x), expected)
    assert not torch.allclose(twin(x), expected)


def test_a_plugged_network_can_be_pickled() -> None:
    model, x = build(MIXED, 5).eval(), images()
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))


def test_complete_spells_out_every_hyper_parameter() -> None:
    given = placed(Module(BRANCH, "cbam", (("kernel", 3),)), Module("layer1", "steam"))
    full = complete(given)
    assert full == placed(
        Module("layer1.0", "steam", (("grid", 7), ("heads", 4), ("reach", 1))),
        Module(BRANCH, "cbam", (("kernel", 3), ("reduction", 16))),
    )
    assert complete(full) == full


def test_complete_makes_one_of_two_spellings() -> None:
    short = complete(placed(Module(BRANCH, "se")))
    long = complete(placed(Module(BRANCH, "se", (("reduction", 16),))))
    assert short.key == long.key


WRONG: list[tuple[Placement, type[Exception], str]] = [
    (
        placed(name="resnet19"),
        UnknownName,
        r"^no backbone 'resnet19'; did you mean 'resnet\d+'\? there are: ",
    ),
    (
        placed(Module("layer2.0.bn3", "se")),
        UnknownName,
        r"^no site of resnet8 called 'layer2\.0\.bn3'; did you mean 'layer\d\.0\.bn2'\? ",
    ),
    (
        placed(Module(BRANCH, "sse")),
        UnknownName,
        r"^no attention module 'sse'; did you mean 'se'\? there are: aw, ",
    ),
    (
        placed(Module(BRANCH, "se", (("reductoin", 4),))),
        UnknownName,
        r"^no hyper-parameter of 'se' called 'reductoin'; did you mean 'reduction'\? there are: ",
    ),
    (
        placed(Module(BRANCH, "se", (("reduction", 5),))),
        BadValue,
        r"^se: reduction may be 4, 8, 16 or 32, got 5$",
    ),
    (
        placed(Module(BRANCH, "aw")),
        BadValue,
        r"^aw takes a convolution, and 'layer2\.0\.bn2' is a site of kind branch$",
    ),
    (
        placed(Module(BRANCH, "remove")),
        BadValue,
        r"^remove takes out an attention of the backbone's own, and 'layer2\.0\.bn2' is a site of ",
    ),
]


@pytest.mark.parametrize(("placement", "error", "sentence"), WRONG)
def test_what_cannot_be_built_is_refused_with_a_sentence(
    placement: Placement, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        complete(placement)


def test_a_convolution_takes_one_weight_attention() -> None:
    """The second would take the place of the first, which would be paid for and gone."""
    first, second = Module(CONV, "aw"), Module(CONV, "aw", (("share", "out"),))
    with pytest.raises(BadValue, match=r"'layer2\.0\.conv2'"):
        complete(placed(first, second))


def test_identity_init_is_no_part_of_a_placement() -> None:
    for identity_init in (True, False):
        settings: dict[str, Any] = {"identity_init": identity_init}
        assert (
            build(MIXED, 5, **settings).state_dict().keys() == build(MIXED, 5).state_dict().keys()
        )
