"""Pictures of a user's, from a folder or a table to batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from foveate.errors import BadValue
from foveate.workers.data import Data, Images, Split, load
from foveate.workers.folder import image_folder, table


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEATE_CACHE", str(tmp_path_factory.mktemp("cache")))


def splits(images: Images) -> list[Split]:
    return [images.train, images.validation, images.test]


def pixels(split: Split) -> Tensor:
    """The whole squares of a split, margins included."""
    return split.images if split.rows is None else split.images[split.rows]


def paint(file: Path, colour: tuple[int, int, int], size: tuple[int, int] = (20, 20)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)


def folder_of(root: Path, count: int = 10, green: int = 0) -> Path:
    """``count`` images of red cats and blue dogs; green says of which split."""
    for number in range(count):
        paint(root / "cat" / f"{number}.png", (200 + number, green, 0))
        paint(root / "dog" / f"{number}.png", (0, green, 200 + number))
    return root


def of_folder(root: Path, **settings: Any) -> Data:
    return Data(name=f"imagefolder:{root}", **({"image_size": 8} | settings))


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_a_folder_with_its_own_splits_keeps_them(validation: str, tmp_path: Path) -> None:
    for green, (name, count) in enumerate((("train", 10), (validation, 4), ("test", 3))):
        folder_of(tmp_path / name, count, green)
    images = load(of_folder(tmp_path))
    assert images.classes == ("cat", "dog") and images.may_flip and images.photographs
    assert [len(split) for split in splits(images)] == [20, 8, 6]
    for green, split in enumerate(splits(images)):
        assert (pixels(split)[:, 1] == green).all()
        assert ((pixels(split)[:, 2] > 0).all((1, 2)) == (split.labels == 1)).all()


def test_a_folder_of_classes_alone_is_split(tmp_path: Path) -> None:
    images = load(of_folder(folder_of(tmp_path, 20), validation=0.25))
    assert [len(split) for split in splits(images)] == [22, 10, 8]  # 5 of 20, 4 of 15, a class
    found = [
        (int(label), int(image.amax()))
        for split in splits(images)
        for image, label in zip(pixels(split), split.labels, strict=True)
    ]
    assert sorted(found) == [(label, 200 + n) for label in (0, 1) for n in range(20)]
    other = load(of_folder(tmp_path, validation=0.25, seed=1))
    assert not torch.equal(pixels(other.validation), pixels(images.validation))
    assert other.pack == images.pack  # the split is no part of it


def test_batches_of_a_split_are_its_own_images(tmp_path: Path) -> None:
    images = load(of_folder(folder_of(tmp_path, 20), validation=0.25))
    for split in splits(images):
        whole = split.normalised(pixels(split))[:, :, :8, :8]
        x = torch.cat([x for x, _ in split.batches(7)])
        assert x.shape == (len(split), 3, 8, 8) and torch.equal(x, whole)  # of one colour each
        assert x.is_contiguous(memory_format=torch.channels_last)
        drawn = list(split.shuffled(4, torch.Generator(), lambda x, _: x[:, :, :8, :8]))
        for x, labels in drawn:
            assert (x[:, 0, 0, 0] > x[:, 2, 0, 0]).equal(labels == 0)


def test_a_folder_with_train_and_test_takes_its_validation_from_train(tmp_path: Path) -> None:
    folder_of(tmp_path / "train", 10, green=1)
    folder_of(tmp_path / "test", 3, green=2)
    images = load(of_folder(tmp_path, validation=0.2))
    assert [len(split) for split in splits(images)] == [16, 4, 6]
    assert [int(pixels(split)[:, 1].amax()) for split in splits(images)] == [1, 1, 2]


def test_the_figures_of_the_training_images_are_by_hand(tmp_path: Path) -> None:
    chance = np.random.RandomState(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(9):
            noise = chance.randint(0, 256, (30, 20, 3)).astype(np.uint8)
            Image.fromarray(noise).save(tmp_path / name / f"{number}.png")
    images = load(of_folder(tmp_path))
    there = pixels(images.train).double() / 255
    assert images.about()["mean"] == pytest.approx(there.mean((0, 2, 3)).tolist(), abs=2e-6)
    std = there.std((0, 2, 3), correction=0).tolist()
    assert images.about()["std"] == pytest.approx(std, abs=2e-6)


def test_pictures_without_a_size_have_224_pixels_and_a_margin(tmp_path: Path) -> None:
    images = load(of_folder(folder_of(tmp_path, 3), image_size=None))
    assert images.size == images.train.size == images.about()["size"] == 224
    assert images.train.images.shape[-1] == 256


def test_names_with_a_dot_before_them_are_no_classes_and_no_pictures(tmp_path: Path) -> None:
    folder_of(tmp_path, 3)
    paint(tmp_path / ".thumbnails" / "0.png", (1, 1, 1))
    paint(tmp_path / "cat" / "._0.png", (1, 1, 1))
    paint(tmp_path / "cat" / "kittens" / "tabby" / "0.PNG", (1, 1, 1))
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    source = image_folder(str(tmp_path))
    assert source.classes == ("cat", "dog")
    expected = [f"cat/{n}.png" for n in range(3)] + ["cat/kittens/tabby/0.PNG"]
    assert source.splits["train"].files == [*expected, *(f"dog/{n}.png" for n in range(3))]
    assert source.splits["train"].labels.tolist() == [0] * 4 + [1] * 3


def test_a_split_of_other_classes_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path / "train")
    paint(tmp_path / "val" / "cat" / "0.png", (1, 1, 1))
    paint(tmp_path / "val" / "cow" / "0.png", (1, 1, 1))
    with pytest.raises(BadValue) as caught:
        load(of_folder(tmp_path))
    assert str(caught.value) == (
        f"imagefolder: {str(tmp_path / 'val')!r} has other classes than the training set"
    )


def test_a_class_with_a_single_image_cannot_be_split(tmp_path: Path) -> None:
    folder_of(tmp_path)
    paint(tmp_path / "emu" / "0.png", (1, 1, 1))
    with pytest.raises(BadValue, match=r"class 2 has only 1 images? to split$"):
        load(of_folder(tmp_path))
    for name in ("val", "test"):  # nothing has to be split
        for animal in ("cat", "dog", "emu"):
            paint(tmp_path / name / animal / "0.png", (1, 1, 1))
    for animal in ("cat", "dog", "emu"):
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / animal).rename(tmp_path / "train" / animal)
    assert len(load.__wrapped__(of_folder(tmp_path)).train) == 21


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    for path in ("", str(tmp_path / "no")):
        with pytest.raises(BadValue) as caught:
            load(Data(name=f"imagefolder:{path}"))
        assert str(caught.value) == f"imagefolder: there is no folder {path!r}"
    with pytest.raises(BadValue, match=r"^imagefolder: '.*' has no folder for each class$"):
        load(of_folder(tmp_path))
    (tmp_path / "cat").mkdir()
    with pytest.raises(BadValue, match=r"^imagefolder: class 'cat' has no picture in '.*'; pic"):
        load(of_folder(tmp_path))


def test_a_home_folder_may_be_written_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder_of(tmp_path / "animals", 3)
    assert len(load(Data(name="imagefolder:~/animals", image_size=8)).classes) == 2


# --------------------------------------------------------------------------------------- tables


def table_of(root: Path, text: str, count: int = 12) -> str:
    for number in range(count):
        paint(root / "pictures" / f"{number}.png", (10 * number, 0, 0))
    (root / "table.csv").write_text(text, encoding="utf-8")
    return str(root / "table.csv")


def rows(of: dict[int, str], split: str = "") -> str:
    return "".join(f"pictures/{n}.png,{labels}{split}\n" for n, labels in of.items())


SEVERAL = {n: ("sea|sky", "sky", "", "boat | sea|sea")[n % 4] for n in range(12)}


def test_a_table_may_give_an_image_several_labels_or_none(tmp_path: Path) -> None:
    path = table_of(tmp_path, "file,labels\n" + rows(SEVERAL))
    images = load(Data(name=f"table:{path}", image_size=8, validation=0.25))
    assert images.classes == ("boat", "sea", "sky") and images.multi_label
    assert images.about()["multi_label"] is True
    assert [len(split) for split in splits(images)] == [7, 3, 2]
    expected = ([0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1, 0])
    found = set()
    for split in splits(images):
        assert split.labels.dtype == torch.float32
        for image, labels in zip(pixels(split), split.labels.tolist(), strict=True):
            number = int(image[0, 0, 0]) // 10
            assert labels == expected[number % 4]
            found.add(number)
    assert found == set(range(12))
    x, labels = next(images.train.batches(4))
    assert x.shape == (4, 3, 8, 8) and labels.shape == (4, 3)


def test_a_table_of_one_label_a_row_is_a_set_like_any_other(tmp_path: Path) -> None:
    text = "file, labels, split\n" + rows({n: "ab"[n % 2] for n in range(6)}, ",train")
    text += rows({6: "a", 7: "b"}, ",val") + rows({8: "b"}, ",test") + rows({9: "a"}, ",")
    images = load(Data(name=f"table:{table_of(tmp_path, text)}", image_size=8))
    assert not images.multi_label and "multi_label" not in images.about()
    assert [split.labels.tolist() for split in splits(images)] == [
        [0, 1, 0, 1, 0, 1, 0],
        [0, 1],
        [1],
    ]
    assert images.test.labels.dtype == torch.int64


def test_a_table_written_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = table_of(tmp_path, "\ufefffile,labels\r\npictures/0.png,a\r\npictures/1.png,b|a\r\n")
    source = table(path)
    assert source.splits["train"].labels.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", " has no column 'file'; its columns are none"),
        ("file,label\n", " has no column 'labels'; its columns are 'file' and 'label'"),
        ("file,labels\n", " has no row"),
        ("file,labels\n ,a\n", " names no file in row 2"),
        ("file,labels,split\nx.png,a,dev\n", " has the split 'dev' in row 2; there are 'train', "),
        ("file,labels,split\nx.png,a,test\n", " has no row of split 'train'"),
        ("file,labels\nx.png,\n", " has no label in any row of split 'train'"),
        (
            "file,labels,split\nx.png,a,\ny.png,b,test\n",
            " has the label 'b' of 'y.png' in no row of split 'train'",
        ),
        ("file,labels\n" + "x.png,a\n" * 2, ": class 0 has only 2 images to split"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence(
    text: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BadValue) as caught:
        load(Data(name=f"table:{tmp_path / 't.csv'}", validation=0.9))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_table_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"^table: cannot read 'no.csv': No such file or directory$"):
        table("no.csv")
    (tmp_path / "t.csv").write_bytes(b"file,labels\n\xff\xfe,a\n")
    with pytest.raises(BadValue, match=r"^table: cannot read '.*t.csv': 'utf-8' codec can't decod"):
        table(str(tmp_path / "t.csv"))


def test_a_picture_of_a_table_that_is_not_there_is_a_broken_one(tmp_path: Path) -> None:
    text = "file,labels\n" + rows({n: "ab"[n % 2] for n in range(12)}) + "pictures/99.png,a\n"
    name = f"table:{table_of(tmp_path, text)}"
    images = load(Data(name=name, image_size=8, broken=0.1))
    assert images.about()["broken"] == {
        "count": 1,
        "named": [["pictures/99.png", "No such file or directory"]],
    }
