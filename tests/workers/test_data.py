import hashlib
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor
from torch.testing import assert_close

from foveate.errors import BadValue, UserError
from foveate.workers import data as sets
from foveate.workers.augment import Augment
from foveate.workers.data import COPIES, Data, Images, Split, load
from foveate.workers.recipe import Recipe


@pytest.fixture(scope="module")
def cluttered() -> Images:
    return load(Data())


def splits(images: Images) -> list[Split]:
    return [images.train, images.validation, images.test]


# ------------------------------------------------------------------------------------- the digits


def test_cluttered_digits_are_the_same_on_every_machine(cluttered: Images) -> None:
    digest = hashlib.sha256()
    for split in splits(cluttered):
        digest.update(split.images.numpy().tobytes())
        digest.update(split.labels.numpy().astype("<i8").tobytes())
    assert digest.hexdigest() == (
        "c1f8cfd7714940eb0d65385ac2e906844acc17eeb264caad42569bc2c271a4d2"
    )


def test_another_seed_is_another_set(cluttered: Images) -> None:
    other = load(Data(seed=1))
    assert not torch.equal(other.train.images, cluttered.train.images)
    assert not torch.equal(other.train.labels, cluttered.train.labels)
    again = load.__wrapped__(Data())
    assert torch.equal(again.train.images, cluttered.train.images)


def test_a_set_is_made_once_in_a_process(cluttered: Images) -> None:
    assert load(Data()) is cluttered


def test_cluttered_digits_have_the_size_that_they_should(cluttered: Images) -> None:
    shapes = [tuple(split.images.shape) for split in splits(cluttered)]
    scans = (1078, 359, 360)
    assert shapes == [(n * c, 3, 16, 16) for n, c in zip(scans, COPIES, strict=True)]
    assert cluttered.size == 16 and not cluttered.may_flip
    assert cluttered.classes == tuple("0123456789")
    for split in splits(cluttered):
        assert split.images.dtype == torch.uint8 and split.labels.dtype == torch.int64
        assert len(split) == len(split.images)


@pytest.mark.parametrize("name", ["digits", "cluttered-digits"])
def test_every_digit_is_about_as_common_as_the_others(name: str) -> None:
    for split in splits(load(Data(name=name))):
        shares = torch.bincount(split.labels, minlength=10) / len(split)
        assert float(shares.min()) > 0.06 and float(shares.max()) < 0.14


def numbered_scans(return_X_y: bool) -> tuple[np.ndarray, np.ndarray]:
    """1,797 scans that say which they are: the number in base 16, in the first three pixels."""
    number = np.arange(1797)
    scans = np.zeros((1797, 64))
    for pixel in range(3):
        scans[:, pixel] = number // 16**pixel % 16
    return scans, number % 10


def test_no_scan_is_in_two_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn.datasets.load_digits", numbered_scans)
    for seed in (0, 1):
        found = []
        for raw in sets._scans(seed):
            pixels = raw.images.reshape(len(raw), 64)[:, :3].astype(int) // 15
            numbers = pixels @ [1, 16, 256]
            assert (numbers % 10 == raw.labels).all()
            found += list(numbers)
        assert sorted(found) == list(range(1797))


def test_the_clutter_comes_from_the_same_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scans of one grey value a split: a canvas shows no other."""
    greys = (50, 100, 150)

    def grey_scans(seed: int) -> tuple[sets._Raw, ...]:
        return tuple(
            sets._Raw(np.full((20, 8, 8), grey, np.uint8), np.arange(20) % 10) for grey in greys
        )

    monkeypatch.setattr(sets, "_scans", grey_scans)
    parts = sets._cluttered_digits(Data())
    for grey, raw in zip(greys, (parts.train, parts.validation, parts.test), strict=True):
        assert set(np.unique(raw.images)) == {0, grey}


def test_a_whole_digit_lies_somewhere_on_its_canvas(cluttered: Images) -> None:
    """The scan that the label belongs to is there, unbroken, among the fragments."""
    scans = sets._scans(0)[1]
    count, places = len(scans), set()
    canvases = cluttered.validation.images[:, 0].numpy()
    for number in range(0, len(canvases), 37):
        scan = scans.images[number % count]
        windows = np.lib.stride_tricks.sliding_window_view(canvases[number], (8, 8))
        fits = np.argwhere((windows >= scan).all((2, 3)))
        assert (
            len(fits) and int(cluttered.validation.labels[number]) == scans.labels[number % count]
        )
        places.update(map(tuple, fits))
    assert len(places) > 20  # so where to look matters


def test_images_may_have_another_size() -> None:
    images = load(Data(name="digits", image_size=16))
    assert [tuple(split.images.shape[1:]) for split in splits(images)] == [(3, 16, 16)] * 3
    assert images.about()["size"] == 16
    own = load(Data(name="digits"))
    means = [float(split.train.images.float().mean()) for split in (images, own)]
    assert means[0] == pytest.approx(means[1], rel=0.05)


def test_normalised_images_have_mean_0_and_deviation_1(cluttered: Images) -> None:
    pixels = cluttered.train.normalised(cluttered.train.images)
    assert pixels.dtype == torch.float32
    assert_close(pixels.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-3)
    assert_close(pixels.std((0, 2, 3)), torch.ones(3), rtol=0, atol=1e-3)
    for split in splits(cluttered)[1:]:  # by the training images' figures, which they may know
        assert torch.equal(split.mean, cluttered.train.mean)
        assert torch.equal(split.std, cluttered.train.std)


def test_what_is_told_of_the_images_is_what_they_are_normalised_by(cluttered: Images) -> None:
    about = cluttered.about()
    assert about["train"] == 2156 and about["validation"] == 1436 and about["test"] == 3600
    image = cluttered.validation.images[:1]
    mean, std = (torch.tensor(about[key])[:, None, None] for key in ("mean", "std"))
    by_hand = (image.double() / 255 - mean) / std
    assert_close(cluttered.validation.normalised(image).double(), by_hand, rtol=0, atol=1e-5)


# -------------------------------------------------------------------------------------- an epoch


def numbered(count: int, side: int = 5) -> Split:
    """Image ``i`` is bright all over, and its label is ``i``."""
    images = torch.full((count, 3, side, side), 255, dtype=torch.uint8)
    return Split(images, torch.arange(count), torch.zeros(3), torch.ones(3))


def augment(kind: str, shift: int = 2, size: int = 5) -> Augment:
    recipe = Recipe(augment=kind, shift=shift)
    return Augment(recipe, may_flip=False, photographs=False, size=size)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("count", "size", "batches"), [(24, 8, 3), (26, 8, 3), (7, 8, 1), (8, 8, 1)]
)
def test_an_epoch_is_a_permutation_in_whole_batches(count: int, size: int, batches: int) -> None:
    split, source = numbered(count), rng()
    epochs = []
    for _ in range(5):
        found = list(split.shuffled(size, source, augment("none")))
        assert [len(labels) for _, labels in found] == [min(size, count)] * batches
        epochs.append(torch.cat([labels for _, labels in found]).tolist())
        assert len(set(epochs[-1])) == min(size, count) * batches
    assert len({tuple(epoch) for epoch in epochs}) == 5
    if count % size == 0 or count < size:
        assert all(sorted(epoch) == list(range(count)) for epoch in epochs)


def test_an_epoch_is_decided_by_its_generator_alone() -> None:
    split = numbered(40)

    def epoch(source: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        torch.rand(7)  # somebody else's chance
        return list(split.shuffled(8, source, augment("shift+flip")))

    for (a, labels_a), (b, labels_b) in zip(epoch(rng()), epoch(rng()), strict=True):
        assert torch.equal(a, b) and torch.equal(labels_a, labels_b)
    assert any(
        not torch.equal(a, b) for (_, a), (_, b) in zip(epoch(rng()), epoch(rng(1)), strict=True)
    )


def test_the_order_does_not_depend_on_what_is_done_to_the_images() -> None:
    orders = [
        torch.cat([y for _, y in numbered(40).shuffled(8, rng(), augment(kind))])
        for kind in ("none", "shift", "shift+flip", "resized-crop")
    ]
    assert all(torch.equal(orders[0], order) for order in orders)


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_an_image_moves_by_at_most_the_shift_and_black_comes_in(shift: int) -> None:
    side = 9
    ramp = (torch.arange(side * side, dtype=torch.uint8) + 1).reshape(1, 1, side, side)
    split = Split(ramp.expand(400, 3, -1, -1).contiguous(), torch.arange(400), *unit())
    padded = torch.nn.functional.pad(ramp[0, 0], [shift] * 4)
    windows = {
        tuple(padded[y : y + side, x : x + side].flatten().tolist()): (y - shift, x - shift)
        for y in range(2 * shift + 1)
        for x in range(2 * shift + 1)
    }
    seen = set()
    for images, _ in split.shuffled(50, rng(), augment("shift", shift, side)):
        for image in images:
            whole = (image * 255).round().to(torch.uint8)
            assert torch.equal(whole[0], whole[1]) and torch.equal(whole[0], whole[2])
            seen.add(windows[tuple(whole[0].flatten().tolist())])
    assert seen == set(windows.values())  # every move came, and no other


def unit() -> tuple[Tensor, Tensor]:
    """Mean and deviation that leave 0 to 1 as it is."""
    return torch.zeros(3), torch.ones(3)


def test_about_half_of_the_images_are_mirrored_and_the_rest_are_not() -> None:
    image = torch.randint(0, 256, (1, 3, 6, 6), dtype=torch.uint8, generator=rng())
    split = Split(image.expand(400, -1, -1, -1).contiguous(), torch.arange(400), *unit())
    straight, mirrored = split.normalised(image)[0], split.normalised(image.flip(3))[0]
    counted = [0, 0]
    for images, _ in split.shuffled(50, rng(), augment("shift+flip", 0, 6)):
        for one in images:
            counted[0] += torch.equal(one, straight)
            counted[1] += torch.equal(one, mirrored)
    assert sum(counted) == 400 and min(counted) > 150


def test_batches_hold_all_images_in_order() -> None:
    split = numbered(10)
    found = list(split.batches(4))
    assert [len(labels) for _, labels in found] == [4, 4, 2]
    assert torch.cat([labels for _, labels in found]).tolist() == list(range(10))


# ----------------------------------------------------------------------------------------- CIFAR


@pytest.fixture(params=["cifar10", "cifar100"])
def cifar(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], tuple[str, type, bytes]]:
    """Writes torchvision's archive of 200 + 50 images that say which they are, and patches the
    sums by which torchvision knows its archive; its server is not there.
    """
    ten = request.param == "cifar10"
    cls = torchvision.datasets.CIFAR10 if ten else torchvision.datasets.CIFAR100
    labels = 10 if ten else 100
    monkeypatch.setattr(cls, "url", "http://127.0.0.1:9/cifar.tar.gz")

    def batch(first: int, count: int) -> dict[str, Any]:
        number = np.arange(first, first + count)
        pixels = np.zeros((count, 3, 32, 32), np.uint8)
        pixels[:, 0] = number[:, None, None]  # red says which; the top left is lit in green
        pixels[:, 1, 0, 0] = 255
        key = "labels" if ten else "fine_labels"
        return {"data": pixels.reshape(count, 3072), key: list(number % labels)}

    def write(folder: Path) -> tuple[str, type, bytes]:
        names = [f"class {number}" for number in range(labels)]
        if ten:
            files = {f"data_batch_{n + 1}": batch(40 * n, 40) for n in range(5)}
            files |= {"test_batch": batch(200, 50), "batches.meta": {"label_names": names}}
        else:
            files = {"train": batch(0, 200), "test": batch(200, 50)}
            files |= {"meta": {"fine_label_names": names}}
        packed = BytesIO()
        sums = {}
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in files.items():
                text = pickle.dumps(content)
                sums[name] = hashlib.md5(text).hexdigest()
                about = tarfile.TarInfo(f"{cls.base_folder}/{name}")
                about.size = len(text)
                archive.addfile(about, BytesIO(text))
        whole = packed.getvalue()
        monkeypatch.setattr(cls, "tgz_md5", hashlib.md5(whole).hexdigest())
        for where in ("train_list", "test_list"):
            lists = [[name, sums[name]] for name, _ in getattr(cls, where)]
            monkeypatch.setattr(cls, where, lists)
        meta = dict(cls.meta)
        monkeypatch.setattr(cls, "meta", meta | {"md5": sums[meta["filename"]]})
        folder.mkdir(parents=True, exist_ok=True)
        (folder / cls.filename).write_bytes(whole)
        return request.param, cls, whole

    return write


@pytest.mark.parametrize("unpacked", [False, True], ids=["archive", "folder"])
def test_cifar_is_read_from_its_archive_or_its_folder(
    cifar: Any, unpacked: bool, tmp_path: Path
) -> None:
    name, cls, _ = cifar(tmp_path)
    if unpacked:
        with tarfile.open(tmp_path / cls.filename) as archive:
            archive.extractall(tmp_path, filter="data")
        (tmp_path / cls.filename).unlink()
    images = load(Data(name=name, root=str(tmp_path), validation=0.25))
    count = 10 if name == "cifar10" else 100
    assert len(images.classes) == count and images.classes[3] == "class 3"
    assert images.may_flip and images.size == 32
    numbers = [split.images[:, 0, 5, 5].tolist() for split in splits(images)]
    assert sorted(numbers[0] + numbers[1]) == list(range(200))  # disjoint, and all
    assert sorted(numbers[2]) == list(range(200, 250))
    # of 20 images of a class 5 are held out, of 2 images one
    assert len(images.validation) == (50 if name == "cifar10" else 100)
    for split, known in zip(splits(images), numbers, strict=True):
        assert (split.labels == torch.tensor(known) % count).all()
        assert (split.images[:, 1, 0, 0] == 255).all()  # rows and columns are not swapped
        assert (split.images[:, 1, 1:] == 0).all()


def test_cifar_that_is_not_there_is_asked_for_and_no_folder_is_left(
    cifar: Any, tmp_path: Path
) -> None:
    name, cls, _ = cifar(tmp_path)
    root = tmp_path / "new"
    with pytest.raises(BadValue) as caught:
        load(Data(name=name, root=str(root)))
    sentence = str(caught.value)
    assert sentence.startswith(
        f"{cls.__name__} is not under {str(root)!r} and cannot be downloaded"
    )
    assert sentence.endswith(
        f"put its archive {cls.filename!r} or its folder {cls.base_folder!r} there"
    )
    assert not root.exists()


def test_a_folder_that_was_there_stays(cifar: Any, tmp_path: Path) -> None:
    name, cls, whole = cifar(tmp_path / "made")
    root = tmp_path / "mine"
    root.mkdir()
    with pytest.raises(BadValue, match=r"cannot be downloaded"):
        load(Data(name=name, root=str(root)))
    assert root.is_dir()
    (root / cls.filename).write_bytes(whole[:100])  # half an archive is none
    with pytest.raises(BadValue, match=r"cannot be downloaded"):
        load(Data(name=name, root=str(root)))


# ------------------------------------------------------------------------- devices and processes


def test_what_fits_lies_on_the_device_and_the_rest_is_streamed(cluttered: Images) -> None:
    train, validation, test = (len(split) * 3 * 16 * 16 for split in splits(cluttered))
    assert cluttered.nbytes == train + validation + test
    meta = torch.device("meta")
    for most_bytes, expected in (
        (None, [True, True, True]),
        (train + validation + test, [True, True, True]),
        (train + validation, [True, True, False]),
        (train, [True, False, False]),
        (train - 1, [False, True, False]),
        (0, [False, False, False]),
    ):
        moved = cluttered.to(meta, most_bytes=most_bytes)
        assert [split.images.device == meta for split in splits(moved)] == expected
        assert all(split.device == meta for split in splits(moved))
        assert moved.size == 16 and len(moved.train) == len(cluttered.train)


@pytest.mark.filterwarnings("error")
def test_a_small_set_travels_as_arrays_without_a_copy(cluttered: Images) -> None:
    arrays = cluttered.arrays()
    for name in ("train", "validation", "test"):
        for key in ("images", "labels", "mean", "std"):
            arrays[name][key] = arrays[name][key].view()
            arrays[name][key].flags.writeable = False  # as those of an object store
    again = Images.from_arrays(arrays)
    assert again.about() == cluttered.about() and again.classes == cluttered.classes
    assert not again.is_packed and again.may_flip == cluttered.may_flip
    for one, other in zip(splits(again), splits(cluttered), strict=True):
        assert one.images.data_ptr() == other.images.data_ptr()
        assert torch.equal(one.labels, other.labels) and torch.equal(one.mean, other.mean)
    assert pickle.loads(pickle.dumps(arrays))["classes"] == cluttered.classes


# ---------------------------------------------------------------------------------- fingerprints


def changed(of: Images, name: str, **parts: Any) -> Images:
    return replace(of, **{name: replace(getattr(of, name), **parts)})


def test_the_same_data_have_one_fingerprint(cluttered: Images) -> None:
    found = cluttered.fingerprint()
    assert len(bytes.fromhex(found)) == 32
    assert load.__wrapped__(Data()).fingerprint() == found
    assert Images.from_arrays(pickle.loads(pickle.dumps(cluttered.arrays()))).fingerprint() == found
    last = cluttered.train.images.contiguous(memory_format=torch.channels_last)
    assert changed(cluttered, "train", images=last).fingerprint() == found
    rows = torch.arange(len(cluttered.test)).flip(0)
    turned = {"images": cluttered.test.images.flip(0), "rows": rows}
    assert changed(cluttered, "test", **turned).fingerprint() == found


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_other_data_have_another_fingerprint(name: str, cluttered: Images) -> None:
    split: Split = getattr(cluttered, name)
    labels, first, last = split.labels.clone(), split.images.clone(), split.images.clone()
    labels[7] = (labels[7] + 1) % 10
    first[0, 2, 5, 5] ^= 1
    last[-1, 0, 0, 0] ^= 1
    others = [
        changed(cluttered, name, labels=labels),
        changed(cluttered, name, images=first),
        changed(cluttered, name, images=last),
        changed(cluttered, name, images=split.images[:-1], labels=split.labels[:-1]),
        changed(cluttered, name, images=split.images.transpose(2, 3)),
    ]
    prints = {images.fingerprint() for images in [cluttered, *others]}
    assert len(prints) == 1 + len(others)


def test_what_else_makes_data_other_data(cluttered: Images) -> None:
    renamed = replace(cluttered, classes=("none", *cluttered.classes[1:]))
    swapped = replace(cluttered, validation=cluttered.test, test=cluttered.validation)
    several = torch.nn.functional.one_hot(cluttered.train.labels).float()
    others = [
        load(Data(seed=1)),
        load(Data(image_size=24)),
        renamed,
        swapped,
        replace(changed(cluttered, "train", labels=several), multi_label=True),
    ]
    prints = {images.fingerprint() for images in [cluttered, *others]}
    assert len(prints) == 1 + len(others)


@pytest.mark.parametrize(("count", "size"), [(1, 32), (2, 32), (3_000_000, 256), (5000, 1100)])
def test_the_fingerprint_of_a_large_set_takes_no_time(count: int, size: int) -> None:
    """Every image is the same one in memory: only what is looked at costs anything."""
    one = torch.zeros(1, size, size, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    figures = torch.zeros(3), torch.ones(3)
    split = Split(one.expand(count, -1, -1, -1), torch.arange(count), *figures, side=size - 8)
    images = Images(("cat", "dog"), split, split, split, may_flip=True)
    start = process_time()
    found = images.fingerprint()
    assert process_time() - start < 1  # 0.15 s at most; the bound leaves room for a busy machine
    white = changed(images, "train", images=(one + 255).expand(count, -1, -1, -1))
    assert white.fingerprint() != found


# ------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", ["cifar", "imagefolders:/x", "", "Digits"])
def test_a_set_that_there_is_not_is_answered_with_those_that_there_are(name: str) -> None:
    there = (
        "there are: cluttered-digits, digits, cifar10, cifar100, imagefolder:PATH, "
        "table:FILE.csv, pack:FOLDER"
    )
    with pytest.raises(UserError) as caught:
        Data(name=name)
    assert str(caught.value).startswith(f"no data set {name!r}; ")
    assert str(caught.value).endswith(there)
