import copy
import pickle
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from foveate import attention
from foveate.errors import BadValue, UnknownName
from foveate.spaces import Module, Placement, networks, plugging, sites
from foveate.spaces.networks import backbone
from foveate.spaces.plugging import attach, build, complete, plug, unplug
from foveate.spaces.site import Survey, survey

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


def test_a_site_is_called_by_its_one_path() -> None:
    """``layer3`` returns what its last block returns."""
    alias = complete(placed(Module("layer3", "steam"), name="resnet14"))
    path = complete(placed(Module("layer3.1", "steam"), name="resnet14"))
    assert alias.modules[0].site == "layer3.1"
    assert alias.key == path.key
    assert str(build(alias, 5)) == str(build(placed(Module("layer3", "steam"), name="resnet14"), 5))


def test_weights_below_a_gate_are_one_placement_in_either_order() -> None:
    aw, se = Module(CONV, "aw"), Module(CONV, "se")
    one, other = complete(placed(aw, se)), complete(placed(se, aw))
    assert one.key == other.key
    assert [module.name for module in one.modules] == ["aw", "se"]
    model = build(other, 5)
    host = model.get_submodule(CONV)
    assert isinstance(host, attention.entry("aw").cls)
    assert isinstance(host.attention, attention.entry("se").cls)


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Also the order, by which optimizers know the parameters."""
    return [*one] == [*other] and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_unplugging_gives_the_bare_backbone_back(placement: Placement) -> None:
    model, x = backbone("resnet8", 5).eval(), images()
    before, printed, expected = state(model), str(model), model(x)
    assert str(plug(model, placement)) != printed
    assert unplug(model) is model
    assert same(state(model), before)
    assert str(model) == printed
    assert torch.equal(model(x), expected)
    assert not any(module._forward_hooks for module in model.modules())
    assert unplug(model) is model
    assert str(model) == printed


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_can_be_unplugged_too(twin: Any) -> None:
    model = build(MIXED, 5)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    copied = unplug(twin(model))
    assert same(state(copied), state(unplug(model)))


def test_unplugging_keeps_what_the_backbone_has_learnt() -> None:
    model = build(MIXED, 5, identity_init=True)
    before = state(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(images(4)).square().sum().backward()
        optimizer.step()
    trained = state(model)
    bare = state(unplug(model))
    assert not torch.equal(trained[f"{CONV}.weight"], before[f"{CONV}.weight"])
    assert all(torch.equal(value, trained[name]) for name, value in bare.items())
    assert bare.keys() == backbone("resnet8", 5).state_dict().keys()


@pytest.mark.parametrize("name", ["aw", "sk", "mhsa"])
@pytest.mark.parametrize("assign", [False, True])
def test_unplugging_keeps_weights_that_were_loaded(name: str, assign: bool) -> None:
    model = build(everywhere(name, "resnet8"), 5, identity_init=True)
    other = backbone("resnet8", 5)
    missing, unexpected = model.load_state_dict(other.state_dict(), strict=False, assign=assign)
    assert missing
    assert not unexpected
    assert same(state(unplug(model)), state(other))


def test_plugging_follows_the_mode_and_the_numbers_of_the_network() -> None:
    model = plug(backbone("resnet8", 5).double().eval(), MIXED)
    assert not any(module.training for module in model.modules())
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert model(images().double()).dtype == torch.float64
    assert {p.dtype for p in unplug(model.float()).parameters()} == {torch.float32}
    with torch.device("meta"):
        empty = backbone("resnet8", 5)
    assert all(p.is_meta for p in plug(empty, MIXED).parameters())
    assert all(p.is_meta for p in unplug(empty).parameters())


def test_a_convolution_that_was_replaced_is_not_replaced_again() -> None:
    model = build(placed(Module(CONV, "aw")), 5)
    with pytest.raises(
        BadValue, match=r"^aw takes a convolution, and 'layer2\.0\.conv2' is now of Atten"
    ):
        plug(model, placed(Module(CONV, "aw")))


class Dense(nn.ModuleDict):
    """Lists its convolutions by name, and puts their outputs side by side."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([conv(x) for conv in self.values()], 1)


class Little(nn.Module):
    """Two dense blocks, and a head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.one, self.two = (
            Dense({str(i): nn.Conv2d(4, 4, 3, padding=1) for i in range(2)}) for _ in range(2)
        )
        self.between, self.fc = nn.Sequential(nn.Conv2d(8, 4, 1)), nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.two(self.between(self.one(self.stem(x)))).mean((2, 3)))


def add_backbone(monkeypatch: pytest.MonkeyPatch, name: str, build: Any) -> None:
    """Make ``build(classes)`` a backbone called ``name``, which no other test uses."""
    here = networks.surveyed

    def surveyed(called: str, image_size: int) -> Survey:
        if called != name:
            return here(called, image_size)
        with torch.device("meta"):
            return survey(build(10), image_size)

    for module in (networks, plugging):
        monkeypatch.setattr(module, "surveyed", surveyed)
    known = networks.canonical, networks.backbone
    monkeypatch.setattr(plugging, "canonical", lambda n: n if n == name else known[0](n))
    monkeypatch.setattr(
        plugging,
        "backbone",
        lambda n, classes, **given: build(classes) if n == name else known[1](n, classes, **given),
    )


def test_a_gate_behind_a_dict_is_not_lost_with_the_convolution_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_backbone(monkeypatch, "little", Little)
    chosen = [
        Module("one", "se"),
        Module("one.1", "aw"),
        Module("one.1", "eca"),
        Module("two", "se"),
    ]
    model = build(Placement.of("little", chosen), 5)
    ran: list[str] = []
    for path, module in model.named_modules():
        if "attention" in path.rpartition(".")[2]:
            module.register_forward_hook(lambda *_, path=path: ran.append(path))
    assert model.eval()(images()).shape == (2, 5)
    assert len(ran) == len({*ran}) == 3
    assert ran[1].startswith("one.")
    assert str(unplug(model)) == str(Little(5))


class RunsAList(nn.ModuleList):
    """One after the other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self:
            x = part(x)
        return x


class RunsADict(nn.ModuleDict):
    """One after the other."""

    def __init__(self, parts: list[nn.Module]) -> None:
        super().__init__({f"part{number}": part for number, part in enumerate(parts)})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self.values():
            x = part(x)
        return x


@pytest.mark.parametrize("container", [lambda parts: nn.Sequential(*parts), RunsAList, RunsADict])
def test_a_gate_behind_a_container_is_none_of_its_parts(container: Any) -> None:
    inner = nn.Sequential(nn.Identity())
    host, gate = container([nn.Identity(), inner]), nn.Linear(1, 1)
    attach(host, gate)
    assert (len(host), len(inner)) == (2, 1)
    assert inner[0].attention is gate
    assert torch.equal(host(torch.ones(1)), gate(torch.ones(1)))


class Squeeze(nn.Module):
    """The attention of the backbone below."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.fc(x.mean((2, 3), keepdim=True)).sigmoid()


class Attended(nn.Module):
    """A residual block with attention between its convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.se = nn.Conv2d(4, 4, 3, padding=1), Squeeze()
        self.last = nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.last(self.se(self.first(x)))


class AttendedNet(nn.Module):
    """Two of these."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem, self.fc = nn.Conv2d(3, 4, 1), nn.Linear(4, classes)
        self.body = nn.Sequential(Attended(), Attended())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(self.stem(x)).mean((2, 3)))


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> str:
    """A backbone with attention of its own."""
    add_backbone(monkeypatch, "attended", AttendedNet)
    return "attended"


def test_attention_of_the_backbones_own_is_taken_out(attended: str) -> None:
    model, x = AttendedNet(5).eval(), images()
    before, printed, expected = state(model), str(model), model(x)
    plug(model, placed(Module("body.0.se", "remove"), name=attended))
    assert {*before} - {*model.state_dict()} == {"body.0.se.fc.weight", "body.0.se.fc.bias"}
    block, kept = model.body[0], torch.randn(2, 4, 8, 8)
    assert torch.equal(block(kept), kept + block.last(block.first(kept)))
    unplug(model)
    assert same(state(model), before)
    assert str(model) == printed
    assert torch.equal(model(x), expected)


def test_attention_of_the_backbones_own_is_swapped(attended: str) -> None:
    chosen = complete(placed(Module("body.0.se", "eca"), name=attended))
    model, x = build(chosen, 5).eval(), torch.randn(2, 4, 8, 8)
    host = model.get_submodule("body.0.se")
    assert isinstance(host.attention, attention.entry("eca").cls)
    assert torch.equal(host(x), host.attention(x))
    assert [name for name in model.state_dict() if ".0.se." in name] == [
        "body.0.se.attention.mix.weight"
    ]
    missing, unexpected = model.load_state_dict(AttendedNet(5).state_dict(), strict=False)
    assert missing == ["body.0.se.attention.mix.weight"]
    assert unexpected == ["body.0.se.fc.weight", "body.0.se.fc.bias"]
    assert str(unplug(model)) == str(AttendedNet(5))


def test_what_stands_in_for_attention_is_not_taken_out_as_well(attended: str) -> None:
    both = placed(Module("body.0.se", "remove"), Module("body.0.se", "eca"), name=attended)
    sentence = r"^eca at 'body\.0\.se' already stands in for what was there$"
    with pytest.raises(BadValue, match=sentence):
        complete(both)
    twice = placed(Module("body.0.se", "remove"), Module("body.0.se", "remove"), name=attended)
    with pytest.raises(BadValue, match=r"^only one module can replace 'body\.0\.se', got "):
        complete(twice)


def test_there_are_no_sites_inside_of_attention(attended: str) -> None:
    with pytest.raises(UnknownName, match=r"^no site of attended called 'body\.0\.se\.fc'; "):
        complete(placed(Module("body.0.se.fc", "eca"), name=attended))


def test_images_are_resized_to_the_placements_own_size() -> None:
    small = Placement("resnet8", MIXED.modules, 24)
    model, x = build(small, 5).eval(), images(size=40)
    resized = nn.functional.interpolate(x, (24, 24), mode="bilinear", antialias=True)
    expected = model(x)
    assert_close(model(resized), expected)
    bare = unplug(model)
    assert not any(module._forward_pre_hooks for module in bare.modules())
    assert not torch.allclose(bare(x), bare(resized))


def test_tables_are_made_for_the_placements_own_size() -> None:
    model = build(Placement.of("resnet8", [Module("layer3.0.conv2", "mhsa")], 64), 5, image_size=32)
    assert model.get_submodule("layer3.0.conv2").rows.shape[0] == 2 * 16 - 1


@pytest.mark.filterwarnings("ignore")
def test_an_exported_network_resizes_images_of_any_size() -> None:
    model = build(Placement("resnet8", MIXED.modules, 24), 5).eval()
    sizes = {axis: torch.export.Dim(name, max=512) for axis, name in ((0, "n"), (2, "h"), (3, "w"))}
    exported = torch.export.export(model, (images(2, 40),), dynamic_shapes=(sizes,)).module()
    for x in (images(3, 40), images(1, 24), torch.randn(2, 3, 17, 60)):
        assert_close(exported(x), model(x))


# ------------------------------------------------------------------- one spelling for one network


def every_setting(name: str) -> list[dict[str, Any]]:
    choices = attention.entry(name).hyperparameters
    values = product(*(choice.values for choice in choices.values()))
    return [dict(zip(choices, some, strict=True)) for some in values]


@pytest.mark.parametrize("name", attention.names())
def test_what_builds_the_same_network_has_the_same_key_and_nothing_else_has(name: str) -> None:
    """Reductions that leave as many channels, a kernel that is the usual one, and so on."""
    path, x = CONV if attention.entry(name).kind != "gate" else BRANCH, images(4, 40).double()
    networks: dict[str, nn.Module] = {}
    for chosen in every_setting(name):
        if chosen.get("equivariance"):  # that is a loss, not a part of the network
            continue
        given = placed(Module(path, name, chosen))
        one = complete(given, 40)
        torch.manual_seed(1)  # as the full setting says, not as the canonical one does
        entry, host = attention.entry(name), backbone("resnet8", 5)
        here = host.get_submodule(path)
        if entry.kind == "gate":
            attach(here, entry.build(32, (20, 20), **chosen))
        else:
            host.set_submodule(path, entry.wrap(here, (20, 20), **chosen))
        with torch.no_grad():
            for number, parameter in enumerate(host.parameters()):
                source = torch.Generator().manual_seed(number)
                parameter += 0.3 * torch.randn(parameter.shape, generator=source)
        host.double().eval()
        for key, other in networks.items():
            shapes = [p.shape for p in host.parameters()], [p.shape for p in other.parameters()]
            same = shapes[0] == shapes[1] and torch.equal(host(x), other(x))
            assert same == (key == one.key), f"{chosen}: {one.spelling}"
        networks.setdefault(one.key, host)
    assert len(networks) >= 1


@pytest.mark.usefixtures("forget_plugins")
def test_settings_of_a_plugin_are_never_taken_for_one_another() -> None:
    """What a value of another's does cannot be seen on the meta device."""
    source = """
import torch
from torch import nn
from foveate.attention import Choice, register

@register("begins", attends="nothing", start=Choice(0.0, 1.0, default=0.0))
class Begins(nn.Module):
    def __init__(self, channels, *, identity_init=False, start=0.0):
        super().__init__()
        self.gain = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x):
        return x * (1 + self.gain)
"""
    attention.plug_in("begins.py", source)
    one, other = (
        complete(placed(Module(BRANCH, "begins", {"start": start}))) for start in (0.0, 1.0)
    )
    assert one.key != other.key


def test_the_weights_do_not_depend_on_what_was_inspected_before() -> None:
    networks.surveyed.cache_clear()
    placement, states = placed(Module(BRANCH, "se")), []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build(placement, 5, image_size=20).state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_gate_behind_a_container_is_no_child_of_what_others_share() -> None:
    act = nn.ReLU()
    one, other = (nn.Sequential(nn.Conv2d(2, 2, 1), act) for _ in range(2))
    attach(one, nn.Linear(1, 1))
    assert hasattr(one[0], "attention") and not hasattr(act, "attention")
    assert not [name for name, _ in other.named_parameters() if "attention" in name]
