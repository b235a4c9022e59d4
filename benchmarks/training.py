"""How fast a candidate trains, beside a plain PyTorch loop, timm's pipeline, and no data at all.

    python benchmarks/training.py [--quick] [--json]

Training images a second, everything in turns in one process, medians of ratios:

    plain   what one writes first: a Dataset with torchvision's v2 transforms for each image, a
            DataLoader (without worker processes, and with two), the same model, optimiser,
            schedule and augmentation
    timm    timm's ``create_dataset`` and ``create_loader`` over a folder of JPEGs, the same step
    limit   the same model and step on one random batch that is on the device already

On a GPU also: our steps as CUDA graphs beside the same steps launched one by one, and a ResNet-50
at 224 pixels in bfloat16 beside its limit. In the end five seeds of ours and of the plain loop
train to the end, and have to reach the same accuracy within the seeds' noise.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from os import environ
from pathlib import Path
from statistics import mean, median, stdev
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import timm.data
import torch
from frame import Report, main
from PIL import Image
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from foveate.spaces import Placement, build
from foveate.workers.data import Data, Images, load
from foveate.workers.recipe import Recipe
from foveate.workers.train import Training, measured

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
CASES = {  # name: data, backbone, recipe
    "8 px, resnet8": (Data(name="digits"), "resnet8", Recipe()),
    "16 px, resnet8": (Data(), "resnet8", Recipe()),
    "32 px, resnet20": (Data(image_size=32), "resnet20", Recipe(batch=128)),
}
SEEDS = 5


def measure(arguments: Namespace, report: Report) -> None:
    torch.set_num_threads(1)
    rounds = 3 if arguments.quick else 7
    rows: dict[str, dict[str, object]] = {}
    for name, (data, backbone, recipe) in CASES.items():
        if arguments.quick and "32" in name:
            continue
        rows[name] = small(data, backbone, recipe, rounds, most=20 if arguments.quick else 60)
        first = name == next(iter(CASES))
        target = {"plain": ">= 2" if first else None, "limit": ">= 0.9"}
        for peer, wanted in target.items():
            if wanted:
                report.target(f"{name}: ours / {peer}", float(str(rows[name][peer])), wanted)
    report.figures["small images: ours as a multiple of"] = rows
    report.figures["a folder of JPEGs: ours as a multiple of"] = folder(arguments, report)
    if CUDA:
        report.figures["GPU"] = on_a_gpu(report, rounds)
    report.figures["accuracy"] = accuracies(report, 2 if arguments.quick else SEEDS)


# ---------------------------------------------------------------------------------- small images


class Plain(Dataset[tuple[Tensor, Tensor]]):
    """One image after the other, as most training scripts have it."""

    def __init__(self, images: Images, recipe: Recipe) -> None:
        self.images, self.labels = images.train.images.cpu(), images.train.labels.cpu()
        flip = [v2.RandomHorizontalFlip()] if images.may_flip else []
        self.transform = v2.Compose(
            [
                v2.RandomCrop(images.size, padding=recipe.shift),
                *flip,
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(images.train.mean.tolist(), images.train.std.tolist()),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.images[number]), self.labels[number]


class PlainTraining:
    """The usual loop."""

    def __init__(self, model: nn.Module, images: Images, recipe: Recipe, workers: int) -> None:
        self.model, self.recipe = model.to(DEVICE), recipe
        self.loader = DataLoader(
            Plain(images, recipe),
            recipe.batch,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=CUDA,
        )
        decayed = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others}]
        self.optimizer = torch.optim.SGD(groups, recipe.peak_lr, momentum=0.9, nesterov=True)
        steps = recipe.epochs * len(self.loader)
        self.schedule = OneCycleLR(
            self.optimizer, recipe.peak_lr, total_steps=steps, cycle_momentum=False
        )

    def epoch(self) -> None:
        self.model.train()
        for x, labels in self.loader:
            x, labels = x.to(DEVICE, non_blocking=True), labels.to(DEVICE, non_blocking=True)
            loss = nn.functional.cross_entropy(
                self.model(x), labels, label_smoothing=self.recipe.label_smoothing
            )
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()


def model_of(backbone: str, classes: int, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(Placement(backbone), classes).to(DEVICE)


def few(images: Images, most: int) -> Images:
    """So many that an epoch takes seconds at most."""
    train = images.train
    cut = replace(train, images=train.images[:most], labels=train.labels[:most])
    return replace(images, train=cut)


def small(data: Data, backbone: str, recipe: Recipe, rounds: int, most: int) -> dict[str, object]:
    images = few(load(data).to(DEVICE), most * recipe.batch)
    endless = recipe.model_copy(update={"epochs": 10**6})
    classes = len(images.classes)
    ours = Training(model_of(backbone, classes), images, endless)
    plain = {n: PlainTraining(model_of(backbone, classes), images, endless, n) for n in (0, 2)}
    limit = Training(model_of(backbone, classes), images, endless)
    ways: dict[str, Callable[[], object]] = {
        "ours": ours._train,
        "plain": plain[0].epoch,
        "plain, 2 worker processes": plain[2].epoch,
        "limit": partial(on_one_batch, limit, len(images.train) // recipe.batch),
    }
    return compared(ways, len(images.train) // recipe.batch * recipe.batch, rounds)


def on_one_batch(training: Training, steps: int) -> float:
    """Steps on a random batch that is on the device: no data, no augmentation."""
    x, labels = next(iter(training.images.train.batches(training.recipe.batch)))
    training.model.train()
    total = torch.zeros((), device=DEVICE)
    for _ in range(steps):
        total += training.take(x, labels)
    return float(total)


def compared(ways: dict[str, Callable[[], object]], images: int, rounds: int) -> dict[str, object]:
    """Images a second of ours, and ours as a multiple of each other way, in turns."""
    for way in ways.values():
        way()  # warm
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = perf_counter()
            way()
            if CUDA:
                torch.cuda.synchronize()
            seconds[name].append(perf_counter() - start)
    row: dict[str, object] = {"images/s": round(images / median(seconds["ours"]))}
    for name in ways:
        if name != "ours":
            pairs = zip(seconds[name], seconds["ours"], strict=True)
            row[name] = round(median(theirs / mine for theirs, mine in pairs), 2)
    return row


# ------------------------------------------------------------------------------------- a folder


def folder(arguments: Namespace, report: Report) -> dict[str, dict[str, object]]:
    """Real JPEG files, through timm's pipeline, which decodes them in every epoch, and through
    ours, which maps a pack that was written before the clock starts.
    """
    size, backbone = (224, "resnet50") if CUDA else (96, "resnet18")
    count = 64 if arguments.quick else 256
    recipe = Recipe(batch=16 if not CUDA else 64, epochs=10**6, cuda_graphs=CUDA)
    rounds = 2 if arguments.quick else 5
    with TemporaryDirectory(prefix="foveate-folder-") as place:
        root = Path(place)
        environ["FOVEATE_CACHE"] = str(root / "cache")
        photographs(root / "images", count)
        data = Data(name=f"imagefolder:{root / 'images'}", image_size=size)
        images = load(data).to(DEVICE)
        ours = Training(model_of(backbone, 2), images, recipe)
        theirs = Training(model_of(backbone, 2), images, recipe)
        limit = Training(model_of(backbone, 2), images, recipe)
        row: dict[str, dict[str, object]] = {}
        batches = len(images.train) // recipe.batch
        ways: dict[str, Callable[[], object]] = {"ours": ours._train}
        for workers in (0, 2):
            loader = timm.data.create_loader(
                timm.data.create_dataset("", root=str(root / "images" / "train")),
                (3, size, size),
                recipe.batch,
                is_training=True,
                use_prefetcher=CUDA,
                num_workers=workers,
                persistent_workers=workers > 0,
                color_jitter=None,
                device=DEVICE,
            )
            ways[f"timm, {workers} worker processes"] = partial(through, loader, theirs, batches)
        ways["limit"] = partial(on_one_batch, limit, batches)
        row[f"{backbone}, {size} px"] = compared(ways, batches * recipe.batch, rounds)
        loaders = {name: way.args[0] for name, way in ways.items() if isinstance(way, partial)}
        ways = {"ours": partial(images_alone, limit)}
        ways |= {n: partial(batches_of, one, batches) for n, one in loaders.items() if "timm" in n}
        row[f"the images alone, {size} px"] = compared(ways, batches * recipe.batch, rounds)
    return row


def images_alone(training: Training) -> None:
    for _ in training.images.train.shuffled(training.recipe.batch, training.rng, training.augment):
        pass


def batches_of(loader: Iterator[tuple[Tensor, Tensor]], batches: int) -> None:
    for number, _ in enumerate(loader):
        if number == batches - 1:
            break


def through(loader: Iterator[tuple[Tensor, Tensor]], training: Training, batches: int) -> None:
    training.model.train()
    for number, (x, labels) in enumerate(loader):
        if number == batches:
            break
        x = x.to(DEVICE, memory_format=torch.channels_last, non_blocking=True)
        training.take(x, labels.to(DEVICE, non_blocking=True))


def photographs(root: Path, count: int) -> None:
    """JPEGs of 500 x 375 pixels in two classes, with the detail of photographs."""
    rng = np.random.RandomState(0)
    for split, images in (("train", count), ("val", 8), ("test", 8)):
        for number in range(images):
            home = root / split / str(number % 2)
            home.mkdir(parents=True, exist_ok=True)
            rough = Image.fromarray(rng.randint(0, 256, (24, 32, 3), np.uint8).astype(np.uint8))
            fine = np.asarray(rough.resize((500, 375), Image.Resampling.BICUBIC), np.int16)
            noisy = np.clip(fine + rng.randint(-12, 13, fine.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(home / f"{number}.jpg", quality=90)


# -------------------------------------------------------------------------------------- on a GPU


def on_a_gpu(report: Report, rounds: int) -> dict[str, dict[str, object]]:
    images = load(Data(image_size=32)).to(DEVICE)
    rows: dict[str, dict[str, object]] = {}
    recipe = Recipe(batch=128, epochs=10**6)
    eager = recipe.model_copy(update={"cuda_graphs": False})
    steps = len(images.train) // recipe.batch
    trainings = {
        name: Training(model_of("resnet20", 10), images, one)
        for name, one in (("ours", recipe), ("eager", eager))
    }
    rows["resnet20, 32 px"] = compared(
        {name: training._train for name, training in trainings.items()}, steps * 128, rounds
    )
    report.target(
        "GPU, resnet20: CUDA graphs / eager", float(str(rows["resnet20, 32 px"]["eager"])), ">= 3"
    )
    large = few(load(Data(image_size=224)), 64 * 20).to(DEVICE)
    half = Recipe(batch=64, epochs=10**6, precision="bfloat16")
    ours, limit = (Training(model_of("resnet50", 10), large, half) for _ in range(2))
    rows["resnet50, 224 px, bfloat16"] = compared(
        {"ours": ours._train, "limit": partial(on_one_batch, limit, 20)}, 20 * 64, rounds
    )
    share = float(str(rows["resnet50, 224 px, bfloat16"]["limit"]))
    report.target("GPU, resnet50 at 224 px in bfloat16: ours / limit", share, ">= 0.9")
    return rows


# -------------------------------------------------------------------------------------- accuracy


def accuracies(report: Report, seeds: int) -> dict[str, object]:
    """Ours and the plain loop, trained to the end with the same seeds."""
    images = load(Data(name="digits")).to(DEVICE)
    found: dict[str, list[float]] = {"ours": [], "plain": []}
    for seed in range(seeds):
        recipe = Recipe(epochs=6, seed=seed)
        *_, last = Training(model_of("resnet8", 10, seed), images, recipe).epochs()
        found["ours"].append(last.accuracy)
        plain = PlainTraining(model_of("resnet8", 10, seed), images, recipe, workers=0)
        for _ in range(recipe.epochs):
            plain.epoch()
        share = measured(plain.model, images, recipe)["top-1"]
        assert isinstance(share, float)
        found["plain"].append(share)
    apart = abs(mean(found["ours"]) - mean(found["plain"]))
    noise = (sum(stdev(shares) ** 2 / seeds for shares in found.values())) ** 0.5
    report.target("accuracy: ours and plain apart, in standard errors", apart / noise, "<= 2.5")
    return {
        name: f"{100 * mean(shares):.2f} % ± {100 * stdev(shares):.2f} ({seeds} seeds)"
        for name, shares in found.items()
    }


if __name__ == "__main__":
    main("training", measure)
