"""Costs of any CNN, against torch's own counter, ptflops, published figures and figures by hand."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision.models as zoo
from ptflops import get_model_complexity_info
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from foveate import attention
from foveate.errors import BadValue
from foveate.spaces import Module, Placement, build, cost, sites
from foveate.spaces.counting import Cost, _Counter, count, trace

# --------------------------------------------------------------------------- every CNN of the zoo

CNNS = [
    name for name in zoo.list_models(module=zoo) if not name.startswith(("vit_", "swin_", "maxvit"))
]
QUICK = ["alexnet", "convnext_tiny", "densenet121", "mobilenet_v3_small", "regnet_y_400mf"]
QUICK += ["efficientnet_b0", "googlenet", "inception_v3", "mnasnet0_5", "resnet50", "squeezenet1_1"]


def swept(names: list[str], quick: list[str]) -> list[Any]:
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


class Weightless(TorchFunctionMode):
    """Makes parameters on the meta device, and leaves small tables that builders compute alone."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = {"device": "meta"} if func in (torch.empty, torch.ones, torch.zeros) else {}
        return func(*args, **(kwargs or {}) | made)


def cnn(name: str) -> nn.Module:
    without_auxiliary = {"aux_logits": False, "init_weights": False}
    has_auxiliary = name in ("googlenet", "inception_v3")
    with Weightless():
        model = zoo.get_model(name, weights=None, **without_auxiliary if has_auxiliary else {})
    return model.to("meta").eval()


def size(name: str) -> int:
    return 299 if name == "inception_v3" else 224


def torchs_flops(model: nn.Module, side: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.empty(1, 3, side, side, device="meta"))
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", swept(CNNS, QUICK))
def test_parameters_are_published_and_macs_are_torchs(name: str) -> None:
    model, side = cnn(name), size(name)
    counted = count(model, 1, 3, side, side)
    published = zoo.get_model_weights(name).DEFAULT.meta["num_params"]
    if name == "inception_v3":  # its weights have the head that is used in training only
        with Weightless():
            whole = zoo.get_model(name, weights=None, init_weights=False)
        published -= sum(p.numel() for p in whole.AuxLogits.parameters())
    assert counted.parameters == published
    assert counted.macs * 2 == torchs_flops(model, side)


TIMM = ["resnet50d", "resnest50d", "res2net50_26w_4s", "cspresnet50", "dla34", "efficientnet_b0"]
TIMM += ["convnextv2_tiny", "nfnet_f0", "repvgg_b0", "ghostnetv2_100", "hrnet_w18", "darknet53"]
TIMM += ["mobilenetv4_conv_small", "mobilenetv4_hybrid_medium", "skresnet18", "ecaresnet50d"]
TIMM += ["resnetv2_50", "resnetblur50", "dpn68", "ese_vovnet19b_dw", "mixnet_s", "regnetz_040"]
TIMM += ["xception41", "nasnetalarge", "hgnetv2_b0", "fastvit_t8", "mobileone_s0", "rexnet_100"]
TIMM += ["focalnet_tiny_srf", "poolformer_s12", "lambda_resnet26t", "halonet26t", "gcresnet50t"]


@pytest.mark.parametrize("name", swept(TIMM, ["resnest50d", "convnextv2_tiny", "ghostnetv2_100"]))
def test_macs_of_timms_networks_are_torchs(name: str) -> None:
    with Weightless():
        model = timm.create_model(name).to("meta")
    side = model.default_cfg["input_size"][-1]
    counted = count(model, 1, 3, side, side)
    assert counted.macs * 2 == torchs_flops(model, side)
    assert counted.macs < counted.operations < 1.2 * counted.macs
    assert counted.parameters == sum(p.numel() for p in model.parameters())


# ------------------------------------------------------------------------------ against ptflops


def ptflops(model: nn.Module, side: int, *, functional: bool) -> int:
    """Its count: of layers that it knows and, if ``functional``, of some functions besides."""
    macs, _ = get_model_complexity_info(
        model,
        (3, side, side),
        as_strings=False,
        print_per_layer_stat=False,
        backend="pytorch",
        backend_specific_config={"count_functional": functional},
    )
    assert isinstance(macs, int)
    return macs


# Of every network, ptflops' count of layers leaves these operators out: they are no layers, or no
# layers that it knows.
NO_LAYERS = ("add", "add_", "mul", "sigmoid", "silu_", "hardsigmoid", "hardswish_")

# And besides, in these families. The rest is then equal, to the last operation.
#   mean          called as a function: the last pooling
#   relu_         called as a function; in DenseNet the last one only, as large as what is pooled
#   avg_pool2d    called as a function; so are some of Inception's max pools, told by their inputs
#   layer_norm    counted as one operation an element, not five; and not at all in ConvNeXt's own
#                 subclass for maps, whose elements are those behind the stem and the downsamplings
FAMILIES: dict[str, Callable[[dict[str, int], nn.Module], int]] = {
    "mnasnet": lambda ours, _: ours["mean"],
    "shufflenet": lambda ours, _: ours["mean"],
    "mobilenet_v2": lambda ours, _: ours["mean"],
    "densenet": lambda ours, _: 2 * ours["mean"],
    "googlenet": lambda ours, _: ours["relu_"],
    "inception": lambda ours, _: ours["relu_"] + ours["avg_pool2d"] + 288 * 35 * 35 + 768 * 17 * 17,
    "convnext": lambda ours, model: (
        4 * ours["native_layer_norm"] // 5 + maps_normalised(model, 224)
    ),
}
# What is left out makes more than 1 % in networks of few multiply-adds and many activations.
OVER_ONE_PERCENT = {f"efficientnet_b{i}" for i in range(8)} | {
    "mobilenet_v3_large",
    "mobilenet_v3_small",
}


def maps_normalised(model: nn.Module, side: int) -> int:
    """Elements that go through ConvNeXt's ``LayerNorm2d``."""
    total = 0

    def add(_: nn.Module, args: Any, out: Tensor) -> None:
        nonlocal total
        total += out.numel()

    norms = [m for m in model.modules() if type(m).__name__ == "LayerNorm2d"]
    handles = [norm.register_forward_hook(add) for norm in norms]
    model(torch.empty(1, 3, side, side, device="meta"))
    for handle in handles:
        handle.remove()
    return total


@pytest.mark.parametrize("name", swept(CNNS, QUICK))
def test_operations_are_ptflops_layers_and_what_these_leave_out(name: str) -> None:
    model, side = cnn(name), size(name)
    ours, layers = trace(model, 1, 3, side, side), ptflops(model, side, functional=False)
    within = abs(ours.cost.operations / layers - 1) < 0.01
    assert within == (name not in OVER_ONE_PERCENT)
    left_out = sum(ours.operators.get(operator, 0) for operator in NO_LAYERS)
    for family, more in FAMILIES.items():
        if name.startswith(family):
            left_out += more(ours.operators, model)
    assert ours.cost.operations - left_out == layers


# As it comes, ptflops counts functions as well, and so twice what is a layer that calls one:
# nn.ReLU, the max pools, and the adaptive average pool. With real tensors: on the meta device it
# counts what operators call to learn their shapes, too.
WITHIN = ["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_b1"]
WITHIN += ["efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_v2_s"]
WITHIN += ["googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_large"]
WITHIN += ["mobilenet_v3_small", "regnet_x_1_6gf", "regnet_x_400mf", "regnet_x_800mf"]
WITHIN += ["regnet_y_1_6gf", "regnet_y_400mf", "regnet_y_800mf", "resnet101", "resnet18"]
WITHIN += ["resnet34", "resnet50", "resnext50_32x4d", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"]
WITHIN += ["squeezenet1_0", "wide_resnet50_2"]
TWICE = ["mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]
TWICE += ["shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "squeezenet1_1"]
LAYERS_AND_FUNCTIONS = ("relu", "relu_", "max_pool2d_with_indices")


def ptflops_as_it_comes(model: nn.Module, side: int) -> int:
    torch.manual_seed(0)
    with torch.no_grad():
        return ptflops(model.to_empty(device="cpu"), side, functional=True)


@pytest.mark.parametrize("name", swept(WITHIN, ["resnet18", "mobilenet_v3_small"]))
def test_operations_are_within_a_hundredth_of_ptflops_as_it_comes(name: str) -> None:
    model, side = cnn(name), size(name)
    ours = count(model, 1, 3, side, side).operations
    assert ours == pytest.approx(ptflops_as_it_comes(model, side), rel=0.01)


@pytest.mark.parametrize("name", swept(TWICE, ["mnasnet0_5", "squeezenet1_1"]))
def test_the_others_are_once_ptflops_relus_and_pools_count_once(name: str) -> None:
    model, side = cnn(name), size(name)
    ours = trace(model, 1, 3, side, side)
    theirs = ptflops_as_it_comes(model, side)
    assert theirs > 1.01 * ours.cost.operations
    twice = sum(ours.operators.get(operator, 0) for operator in LAYERS_AND_FUNCTIONS)
    assert ours.cost.operations == pytest.approx(theirs - twice, rel=0.01)


# ----------------------------------------------------------------------------- operator by operator


class Calls(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


MAP, ROWS = (1, 4, 6, 6), (2, 8)  # 144 and 16 elements
OPERATORS: dict[str, tuple[Callable[[Tensor], Any], tuple[int, ...], int, int]] = {
    # what: (function, shape, multiply-adds, operations)
    "matrix and vector": (lambda x: x @ x[0], ROWS, 16, 16),
    "inner product": (lambda x: x[0] @ x[1], ROWS, 8, 8),
    "einsum": (lambda x: torch.einsum("ik,jk->ij", x, x), ROWS, 32, 32),
    "attention": (  # both factors scaled 2*16, products 2*32, softmax 3*4
        lambda x: F.scaled_dot_product_attention(*3 * [x[None]]),
        ROWS,
        64,
        64 + 32 + 12,
    ),
    "batch norm": (nn.BatchNorm2d(4, device="meta"), MAP, 0, 2 * 144),
    "instance norm": (nn.InstanceNorm2d(4), MAP, 0, 5 * 144),
    "layer norm": (nn.LayerNorm(8, device="meta"), ROWS, 0, 5 * 16),
    "group norm": (nn.GroupNorm(2, 4, device="meta"), MAP, 0, 5 * 144),
    # squares 144, windows of three 3*144, scale and shift 2*144, power 144, division 144
    "local response norm": (nn.LocalResponseNorm(3), MAP, 0, 8 * 144),
    "average pool": (nn.AvgPool2d(3, 1), MAP, 0, 4 * 16 * 9),
    "max pool": (nn.MaxPool2d(2), MAP, 0, 144),
    "adaptive average pool": (nn.AdaptiveAvgPool2d(1), MAP, 0, 144),
    "adaptive max pool": (nn.AdaptiveMaxPool2d(2), MAP, 0, 144),
    # powers 144, windows 4*36; then sign, absolute, rectified, product, times four, root: 6*36
    "lp pool": (nn.LPPool2d(2, 2), MAP, 0, 144 + 10 * 36),
    "sigmoid": (torch.sigmoid, MAP, 0, 144),
    "hardsigmoid": (F.hardsigmoid, MAP, 0, 144),
    "hardsigmoid in place": (lambda x: F.hardsigmoid(x, inplace=True), MAP, 0, 144),
    **{
        f"{function.__name__}{' in place' * in_place}": (
            lambda x, f=function, in_place=in_place: f(x, inplace=in_place),
            MAP,
            0,
            144,
        )
        for function in (F.relu6, F.leaky_relu, F.elu, F.celu, F.silu, F.mish, F.hardswish)
        for in_place in (False, True)
    },
    "gelu": (F.gelu, MAP, 0, 144),
    "prelu": (nn.PReLU(device="meta"), MAP, 0, 144),
    "softmax": (lambda x: x.softmax(1), ROWS, 0, 3 * 16),
    "log softmax": (lambda x: x.log_softmax(1), ROWS, 0, 3 * 16),
    "gated linear unit": (F.glu, ROWS, 0, 2 * 8),
    "broadcast product": (lambda x: x * x[:1, :1], MAP, 0, 144),
    "sum of two": (lambda x: x + x, MAP, 0, 144),
    "nearest": (lambda x: F.interpolate(x, scale_factor=2), MAP, 0, 0),
    "bilinear": (lambda x: F.interpolate(x, 12, mode="bilinear"), MAP, 0, 4 * 576),
    "bicubic": (lambda x: F.interpolate(x, 12, mode="bicubic"), MAP, 0, 16 * 576),
    # six rows to three columns of filters four wide, then three rows of such columns
    "antialiased": (
        lambda x: F.interpolate(x, 3, mode="bilinear", antialias=True),
        MAP,
        0,
        4 * (6 * 3 * 4 + 3 * 3 * 4),
    ),
    "roll": (lambda x: x.roll(1, 0), ROWS, 0, 0),
    "copy": (lambda x: x.clone(), ROWS, 0, 0),
    "padding": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), MAP, 0, 0),
    "pixel shuffle": (nn.PixelShuffle(2), MAP, 0, 0),
    "unfold": (nn.Unfold(3), MAP, 0, 0),
    "channel shuffle": (nn.ChannelShuffle(2), MAP, 0, 0),
    "running sum": (lambda x: x.cumsum(1), ROWS, 0, 16),
    "sort": (lambda x: x.sort().values, ROWS, 0, 16 * 3),
    "sort by columns": (lambda x: x.sort(dim=0).values, ROWS, 0, 16 * 1),
    "top two": (lambda x: x.topk(2).values, ROWS, 0, 16 * 2),
    "standard deviation": (lambda x: x.std(1), ROWS, 0, 3 * 16),
    "variance": (lambda x: x.var(1), ROWS, 0, 3 * 16),
    "norm": (lambda x: x.norm(dim=1), ROWS, 0, 16),
    "largest": (lambda x: x.max(1).values, ROWS, 0, 16),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_costs_what_one_counts_by_hand(name: str) -> None:
    function, shape, macs, operations = OPERATORS[name]
    model = function if isinstance(function, nn.Module) else Calls(function)
    counted = count(model, *shape)
    assert (counted.macs, counted.operations) == (macs, operations)


@pytest.mark.parametrize("name", OPERATORS)
def test_inference_mode_counts_the_same(name: str) -> None:
    function, shape, *expected = OPERATORS[name]
    model = function if isinstance(function, nn.Module) else Calls(function)
    with torch.inference_mode():
        counted = count(model, *shape)
    assert [counted.macs, counted.operations] == expected


def test_an_operator_without_a_rule_is_named() -> None:
    with pytest.raises(NotImplementedError, match=r"^no rule counts the operations of aten\._fft"):
        count(Calls(torch.fft.fft), 2, 8)


def test_a_network_with_weights_is_sent_to_the_meta_device() -> None:
    with pytest.raises(BadValue, match=r"on the meta device, and this one is on cpu$"):
        count(nn.Conv2d(3, 4, 3), 1, 3, 8, 8)


def test_both_conventions_have_their_unit() -> None:
    counted = count(cnn("resnet50"), 1, 3, 224, 224)
    assert (round(counted.gflops, 2), round(counted.gmacs, 2)) == (4.13, 4.09)


# ------------------------------------------------------------------------------------ peak memory


class Residual(nn.Module):
    """conv, batch norm and ReLU, added to their input."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(in_place)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = self.norm(y)
        y = self.relu(y)
        return y + x


def chain(*, in_place: bool = False) -> nn.Module:
    conv, norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
    return nn.Sequential(conv, norm, nn.ReLU(in_place), nn.Conv2d(8, 1, 1))


IMAGE = 4 * 3 * 10 * 10  # bytes of (1, 3, 10, 10)
EIGHT = 4 * 8 * 10 * 10  # of (1, 8, 10, 10)
BLOCK = 4 * 4 * 10 * 10  # of (1, 4, 10, 10)
MEMORY: dict[str, tuple[nn.Module, int, int]] = {  # network, channels in, bytes
    "one convolution: image and map": (nn.Conv2d(3, 8, 3, padding=1), 3, IMAGE + EIGHT),
    "a chain: image, a map and the next": (chain(), 3, IMAGE + 2 * EIGHT),
    "in place, but the norm makes a map": (chain(in_place=True), 3, IMAGE + 2 * EIGHT),
    "in place only: no other map": (nn.Sequential(*3 * [nn.ReLU(True)]), 3, IMAGE),
    "not in place": (nn.Sequential(*3 * [nn.ReLU()]), 3, 3 * IMAGE),
    "views make none": (nn.Sequential(nn.Flatten(), nn.Unflatten(1, (4, 100))), 4, BLOCK),
    "a residual block: x, y, and y anew": (Residual(in_place=True), 4, 3 * BLOCK),
    "max pool: its indices are 8 bytes each": (
        nn.MaxPool2d(2),
        4,
        BLOCK + BLOCK // 4 + 2 * BLOCK // 4,
    ),
}


@pytest.mark.parametrize("what", MEMORY)
def test_the_peak_is_what_one_counts_by_hand(what: str) -> None:
    model, channels, expected = MEMORY[what]
    assert count(model.to("meta"), 1, channels, 10, 10).peak_bytes == expected


def test_the_peak_of_resnet18_is_at_its_first_norm() -> None:
    image, first = 4 * 3 * 224 * 224, 4 * 64 * 112 * 112
    traced = trace(cnn("resnet18"), 1, 3, 224, 224)
    assert traced.cost.peak_bytes == image + 2 * first  # what the norm reads, and what it writes
    assert traced.live_before["bn1"] == image + first
    assert traced.live_after["bn1"] == image + 2 * first
    assert traced.live_after["relu"] == image + first  # in place, and the convolution's is gone
    # a block's input, its convolution's output, and the norm's, beside the image
    assert traced.live_after["layer1.0.bn1"] == image + 3 * first // 4
    # layer1 holds its input until it ends, too
    assert traced.live_after["layer1.1.bn1"] == image + 4 * first // 4


def test_parameters_and_what_is_derived_in_place_of_them() -> None:
    class Standardised(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return F.conv2d(x, self.weight - self.weight.mean())

    with torch.device("meta"):
        model = Standardised(3, 8, 1, bias=False)
    weights = 4 * 3 * 8  # the made weights are alive, the parameters are not counted
    assert count(model, 1, 3, 10, 10).peak_bytes == IMAGE + weights + EIGHT


REAL = ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "densenet121", "efficientnet_b0"]


@pytest.mark.parametrize("name", REAL)
def test_the_peak_is_that_of_a_real_run(name: str) -> None:
    model = cnn(name)
    expected = count(model, 1, 3, 64, 64).peak_bytes
    images, watch = torch.zeros(1, 3, 64, 64), _Counter()
    model.to_empty(device="cpu")
    with torch.no_grad(), watch:
        watch.hold(images)
        model(images)
    assert watch.peak == expected


def test_what_runs_more_than_once_has_no_one_moment() -> None:
    relu = nn.ReLU()
    traced = trace(nn.Sequential(relu, nn.Identity(), relu), 1, 3)
    assert traced.live_after.keys() == traced.live_before.keys() == {"", "1"}


def test_a_trace_counts_what_count_counts_and_leaves_no_hook() -> None:
    model = cnn("resnet18")
    traced, counted = trace(model, 1, 3, 64, 64), count(model, 1, 3, 64, 64)
    assert (traced.cost, traced.cost.peak_bytes) == (counted, counted.peak_bytes)
    assert sum(traced.operators.values()) == counted.operations
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_peaks_do_not_add_up() -> None:
    one = Cost(1, 10, 100, 1000)
    assert (one + one).peak_bytes is None and (one - one).peak_bytes is None
    assert one == Cost(1, 10, 100)


# ------------------------------------------- the peak of a placement, from those of its parts


def drawn(name: str, side: int, seed: int) -> Placement:
    """Each module somewhere, several at a site if it falls so."""
    rng, modules, taken = random.Random(seed), [], set()
    for module in attention.names():
        replaces = attention.entry(module).kind != "gate"
        free = [
            site
            for site in sites(name, side)
            if ("conv" in site.kinds) >= replaces and site.path not in taken
        ]
        site = rng.choice(free)
        taken |= {site.path} if replaces else set()
        modules.append(Module(site.path, module))
    return Placement.of(name, rng.sample(modules, rng.randint(1, len(modules))))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("name", "side"), [("resnet18", 64), ("resnet18", 224), ("resnet8", 32)])
def test_the_peak_of_a_placement_is_the_largest_of_its_parts(
    name: str, side: int, seed: int
) -> None:
    placement = drawn(name, side, seed)
    said = cost(placement, side, 10).peak_bytes
    with torch.device("meta"):
        whole = build(placement, 10, image_size=side)
    assert said == count(whole, 1, 3, side, side).peak_bytes


@pytest.mark.parametrize("name", attention.names())
def test_each_module_where_the_memory_is_largest(name: str) -> None:
    kind = "conv" if attention.entry(name).kind != "gate" else "branch"
    bare, raised = cost(Placement("resnet18"), 64, 10).peak_bytes or 0, 0
    for site in [s for s in sites("resnet18", 64) if kind in s.kinds][:4]:
        placement = Placement.of("resnet18", [Module(site.path, name)])
        said = cost(placement, 64, 10).peak_bytes or 0
        with torch.device("meta"):
            whole = build(placement, 10, image_size=64)
        assert said == count(whole, 1, 3, 64, 64).peak_bytes
        raised += said > bare
    assert raised or name not in ("nonlocal", "mhsa")  # so the formula is not about the bare one


def test_what_cannot_run_has_no_cost() -> None:
    with torch.device("meta"):
        linear, image = nn.Linear(10, 5), nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    with pytest.raises(RuntimeError):
        count(linear, 2, 11)
    with pytest.raises(RuntimeError):
        count(image, 1, 3, 5, 5)


def test_counting_leaves_the_mode_as_it_was() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4).eval()).train()
    model[1].eval()
    count(model, 1, 3, 8, 8)
    assert [module.training for module in model.modules()] == [True, True, False]
