"""Packs: what Pillow makes of a picture, kept once, whole, and for all processes."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.ImageFilter import GaussianBlur

from foveate.errors import BadValue
from foveate.workers import packs
from foveate.workers.augment import Augment
from foveate.workers.data import Data, Images, load
from foveate.workers.folder import image_folder
from foveate.workers.packs import is_pack, open_pack, square, write
from foveate.workers.recipe import Recipe

fresh: Callable[[Data], Images] = load.__wrapped__


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FOVEATE_CACHE", str(folder))
    return folder


def photograph(width: int = 60, height: int = 40, seed: int = 0) -> Image.Image:
    noise = np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)
    return Image.fromarray(noise).filter(GaussianBlur(1.5))


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Two classes of 10 JPEGs of different shapes."""
    root = tmp_path / "animals"
    for seed in range(20):
        file = root / "cd"[seed % 2] / f"{seed:02}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        photograph(40 + seed, 50 - seed, seed).save(file, quality=90)
    return root


def of(root: Path, **settings: Any) -> Data:
    return Data(name=f"imagefolder:{root}", **({"image_size": 14, "broken": 0.2} | settings))


def saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


# ------------------------------------------------------------------------------------- pictures


def middle(image: Image.Image, side: int) -> np.ndarray:
    """By Pillow: the middle square of an RGB image, resized."""
    left, top = (image.width - image.height) // 2, (image.height - image.width) // 2
    least = min(image.size)
    box = (max(left, 0), max(top, 0), max(left, 0) + least, max(top, 0) + least)
    return np.asarray(image.crop(box).resize((side, side), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("size", [(60, 40), (33, 51), (16, 16), (5, 9)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
def test_a_square_is_what_pillow_makes_of_the_middle(size: tuple[int, int], kind: str) -> None:
    content = saved(photograph(*size), kind)
    expected = middle(Image.open(BytesIO(content)).convert("RGB"), 16)
    assert np.array_equal(np.asarray(square(content, 16)), expected)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA", "I;16", "YCbCr"])
def test_whatever_has_colours_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        there = photograph().convert("L")
        image = Image.fromarray(np.asarray(there).astype(np.uint16) * 257)
    else:
        there = image = photograph().convert(mode)
    kind = {"CMYK": "TIFF", "YCbCr": "JPEG"}.get(mode, "PNG")
    found = np.asarray(square(saved(image, kind), 16)).astype(int)
    assert found.shape == (16, 16, 3)
    assert np.abs(found - middle(there.convert("RGB"), 16)).mean() < 5
    assert found.std() > 5  # neither black nor white


def test_a_palette_may_be_transparent() -> None:
    image = photograph().convert("P")
    content = saved(image, "PNG", transparency=bytes(range(256)))
    assert np.array_equal(np.asarray(square(content, 16)), middle(image.convert("RGB"), 16))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_upright_however_the_camera_was_held(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(photograph(40, 40), "PNG", exif=exif)
    plain = middle(photograph(40, 40), 40)
    turned = {
        1: plain,
        2: plain[:, ::-1],
        3: plain[::-1, ::-1],
        4: plain[::-1],
        5: plain.swapaxes(0, 1),
        6: np.rot90(plain, -1),
        7: plain[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(plain),
    }
    assert np.array_equal(np.asarray(square(content, 40)), turned[orientation])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_note_of_the_camera_that_nobody_can_read_turns_nothing() -> None:
    content = saved(photograph(40, 40), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\1")
    assert np.array_equal(np.asarray(square(content, 40)), middle(photograph(40, 40), 40))


def test_a_huge_jpeg_is_decoded_smaller_and_looks_the_same() -> None:
    large = photograph(60, 40).resize((960, 640), Image.Resampling.BICUBIC)
    content = saved(large, "JPEG", quality=95)
    expected = middle(Image.open(BytesIO(content)), 32).astype(int)
    found = np.asarray(square(content, 32)).astype(int)
    assert np.abs(found - expected).mean() < 1.5


def test_the_middle_of_a_picture_is_kept(tmp_path: Path) -> None:
    """A wide picture, red in its middle: as tall as the square, and cut at the sides."""
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20, 0] = 255
    found = np.asarray(square(saved(Image.fromarray(pixels), "PNG"), 11))
    assert (found[:, :, 0] == 255).all() and (found[:, :, 1:] == 0).all()


# --------------------------------------------------------------------------------------- broken


SPOILT = {
    "cut": "image file is truncated",
    "text": "no picture that can be recognised",
    "empty": "the file is empty",
    "flipped": "broken data stream when reading image file",
    "gone": "No such file or directory",
}


def spoil(bad: Path, how: str) -> None:
    content = saved(photograph(), "PNG" if how == "flipped" else "JPEG")
    bad.unlink()
    if how == "gone":
        bad.symlink_to("nowhere")
    else:
        chunk = content.find(b"IDAT")
        flipped = content[: chunk + 20] + b"\x00\x01\x02\x03" * 50 + content[chunk + 220 :]
        text = b"this is no picture"
        whole = {
            "cut": content[:-100],
            "text": text,
            "empty": b"",
            "flipped": flipped,
        }
        bad.write_bytes(whole[how])


@pytest.mark.parametrize("how", SPOILT)
def test_a_broken_picture_is_counted_named_and_left_out(how: str, animals: Path) -> None:
    spoil(animals / "d" / "07.jpg", how)
    images = load(of(animals))
    (reason,) = [reason for _, reason in images.about()["broken"]["named"]]
    assert reason.startswith(SPOILT[how]) and "0x" not in reason
    assert images.about()["broken"] == {"count": 1, "named": [["d/07.jpg", reason]]}
    assert sum(len(split) for split in (images.train, images.validation, images.test)) == 19
    assert images.pack is not None
    files = json.loads((Path(images.pack) / "train.files.json").read_text())
    assert len(files) == 19 and "d/07.jpg" not in files
    part = open_pack(images.pack).parts["train"]
    for number, file in enumerate(files):  # what stands beside one another belongs together
        there = np.asarray(square((animals / file).read_bytes(), 16))
        assert np.array_equal(part.images[number].permute(1, 2, 0).numpy(), there)
        assert part.labels[number] == "cd".index(file[0])


@pytest.mark.parametrize("how", ["cut", "text", "gone"])
def test_too_many_broken_pictures_are_one_sentence_and_no_pack(
    how: str, animals: Path, cache: Path
) -> None:
    for name in ("c/04.jpg", "d/07.jpg", "d/09.jpg"):
        spoil(animals / name, how)
    with pytest.raises(BadValue) as caught:
        load(of(animals, broken=0.1))
    assert str(caught.value).startswith(
        f"imagefolder:{animals}: train has 20 pictures, of which at least 3 cannot be read and "
        f"data.broken=0.1 allows 2; the first is 'c/04.jpg': {SPOILT[how]}"
    )
    assert not list((cache / "packs").iterdir())
    assert load(of(animals, broken=0.15)).about()["broken"]["count"] == 3
    with pytest.raises(BadValue, match=r"at least 3 cannot be read and data.broken=0.1 allows 2"):
        fresh(of(animals, broken=0.1))  # of the pack that there is now, too


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it reads
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp"])
def test_whatever_is_in_a_picture_is_a_picture_or_a_broken_one(
    suffix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A few bytes changed at random: those of its size, too."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    chance = np.random.RandomState(0)
    bad = tmp_path / f"spoilt.{suffix}"
    photograph(24, 24).save(bad)
    whole = bad.read_bytes()
    for _ in range(60):
        spoilt = bytearray(whole)
        for at in chance.randint(0, min(300, len(spoilt)), size=4):
            spoilt[at] = chance.randint(256)
        bad.write_bytes(spoilt)
        (found,) = packs._squares(tmp_path, [bad.name], 9)
        assert (found if isinstance(found, str) else found[0].shape == (9, 9, 3)) and "0x" not in (
            found if isinstance(found, str) else ""
        )


# -------------------------------------------------------------------------------------- writing


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("workers", [2, 5])
def test_a_pack_is_the_same_from_any_number_of_workers(
    workers: int, animals: Path, tmp_path: Path
) -> None:
    spoil(animals / "c" / "02.jpg", "cut")
    source = image_folder(str(animals))
    one, other = tmp_path / "one", tmp_path / "other"
    assert write(source, 14, one, broken=0.1, workers=1)
    assert write(source, 14, other, broken=0.1, workers=workers)
    assert content(one) == content(other)
    assert set(content(one)) == {"pack.json"} | {
        f"train.{what}" for what in ("images", "labels.npy", "sums.npy", "files.json")
    }
    assert not write(source, 14, other, broken=0.1)  # it is there


def test_a_pack_is_opened_when_the_pictures_are_gone(animals: Path, tmp_path: Path) -> None:
    write(image_folder(str(animals)), 14, tmp_path / "pack", broken=0)
    first = fresh(of(animals))
    animals.rename(tmp_path / "elsewhere")
    for name in (f"pack:{tmp_path / 'pack'}", f"imagefolder:{tmp_path / 'pack'}"):
        again = fresh(Data(name=name))
        assert again.size == 14 and again.about() == first.about()
        assert torch.equal(again.train.images, first.train.images)
    assert fresh(of(animals)).pack == first.pack  # the cache remembers where they were
    with pytest.raises(BadValue, match=r"is of images of 14 pixels, and data.image_size is 16; "):
        fresh(Data(name=f"pack:{tmp_path / 'pack'}", image_size=16))


def test_names_that_are_no_text_are_packed_too(animals: Path) -> None:
    for name in (b"c/\xff.jpg", b"d/\xfe.jpg"):
        os.rename(next((animals / name[:1].decode()).iterdir()), os.path.join(bytes(animals), name))
    spoil(Path(os.fsdecode(os.path.join(bytes(animals), b"d/\xfe.jpg"))), "empty")
    broken = load(of(animals)).about()["broken"]
    assert broken == {"count": 1, "named": [["d/?.jpg", "the file is empty"]]}


def test_another_picture_or_size_is_another_pack(animals: Path) -> None:
    first = fresh(of(animals)).pack
    assert fresh(of(animals, seed=3, validation=0.4)).pack == first
    assert fresh(of(animals, image_size=16)).pack != first
    photograph(seed=99).save(animals / "c" / "00.jpg")
    assert fresh(of(animals)).pack not in (None, first)


def test_a_folder_with_something_else_is_left_alone(animals: Path, tmp_path: Path) -> None:
    source = image_folder(str(animals))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(BadValue, match=r"^the folder '.*full' is not empty$"):
        write(source, 14, tmp_path / "full", broken=0)
    write(source, 14, tmp_path / "pack", broken=0)
    with pytest.raises(BadValue, match=r"^there is another pack in '.*pack'; delete it or name a"):
        write(source, 16, tmp_path / "pack", broken=0)
    (tmp_path / "empty").mkdir()
    assert write(source, 14, tmp_path / "empty", broken=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadValue, match=r"^cannot write the pack '.*file/pack': "):
        write(source, 14, tmp_path / "file" / "pack", broken=0)


def test_no_room_is_said_before_anything_is_written(
    animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Full)
    with pytest.raises(BadValue, match=r"at 14 pixels takes 0\.0 GB, and there are 0\.0 GB free i"):
        write(image_folder(str(animals)), 14, tmp_path / "pack", broken=0)
    assert not (tmp_path / "pack").exists()


def test_a_fault_in_the_middle_leaves_nothing(
    animals: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def save(*_: object) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", save)
    with pytest.raises(KeyboardInterrupt):
        load(of(animals))
    assert not list((cache / "packs").iterdir())
    monkeypatch.undo()
    monkeypatch.setenv("FOVEATE_CACHE", str(cache))
    assert load(of(animals)).is_packed


def packing(root: Path, slow: float) -> tuple[BaseProcess, "Connection[None, str]"]:
    """A process that says "decoding" of each picture, and at last where the pack is."""
    forks = get_context("fork")
    mine, its = forks.Pipe(duplex=False)

    def pack() -> None:
        def slowly(content: bytes, side: int) -> Image.Image:
            its.send("decoding")
            sleep(slow)
            return square(content, side)

        packs.square = slowly
        its.send(str(fresh(of(root)).pack))

    process = forks.Process(target=pack)
    process.start()
    its.close()
    return process, mine


def said(pipe: "Connection[None, str]") -> Iterator[str]:
    with suppress(EOFError):
        while True:
            yield pipe.recv()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_of_two_processes_one_packs_and_a_killed_one_leaves_no_trace(
    animals: Path, cache: Path
) -> None:
    killed, pipe = packing(animals, 60)
    assert pipe.recv() == "decoding"
    assert not [folder for folder in (cache / "packs").iterdir() if is_pack(folder)]
    killed.kill()
    killed.join()
    assert list((cache / "packs").iterdir())  # its draft

    both = [packing(animals, 0.02) for _ in range(2)]
    words = [[*said(pipe)] for _, pipe in both]
    assert sorted(map(len, words)) == [1, 21]  # one has decoded all 20, the other none
    assert words[0][-1] == words[1][-1]
    for process, _ in both:
        process.join()
    assert [str(folder) for folder in (cache / "packs").iterdir()] == [words[0][-1]]


# -------------------------------------------------------------------------------------- opening


@pytest.fixture
def pack(animals: Path, tmp_path: Path) -> Path:
    write(image_folder(str(animals)), 14, tmp_path / "pack", broken=0)
    return tmp_path / "pack"


@pytest.mark.parametrize("file", ["train.images", "train.labels.npy", "train.sums.npy"])
@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_pack_that_is_not_whole_is_one_sentence(file: str, how: str, pack: Path) -> None:
    if how == "gone":
        (pack / file).unlink()
    else:
        os.truncate(pack / file, 90)
    with pytest.raises(BadValue) as caught:
        load(Data(name=f"pack:{pack}"))
    sentence = str(caught.value)
    assert sentence.startswith(f"the pack {str(pack)!r} is not whole: ") and "\n" not in sentence
    assert sentence.endswith("; delete it and pack again")
    if file == "train.images":
        assert ("is missing" if how == "gone" else "has 90 of 15,360 bytes") in sentence


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', ""])
def test_a_pack_that_says_nonsense_is_not_whole(text: str, pack: Path) -> None:
    (pack / "pack.json").write_text(text)
    with pytest.raises(
        BadValue, match=r"^the pack '.*pack' is not whole: .*; delete it and pack a"
    ):
        open_pack(pack)


def test_a_pack_of_another_version_or_none_is_named(pack: Path, tmp_path: Path) -> None:
    about = json.loads((pack / "pack.json").read_text())
    (pack / "pack.json").write_text(json.dumps(about | {"version": 7}))
    with pytest.raises(BadValue, match=r"is of version 7, and this foveate reads version 1; "):
        open_pack(pack)
    for path in (tmp_path / "no", tmp_path):
        with pytest.raises(BadValue, match=r"^there is no pack in '.*': it has no pack.json$"):
            load(Data(name=f"pack:{path}"))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux says who shares what")
@pytest.mark.filterwarnings("error")
def test_processes_share_a_pack_and_nobody_copies_it(pack: Path) -> None:
    images = fresh(Data(name=f"pack:{pack}"))
    assert images.is_packed and images.nbytes == 20 * 16 * 16 * 3
    again = images.to(torch.device("cpu"))
    assert again.train.images.data_ptr() == images.train.images.data_ptr()
    pages = Path("/proc/self/smaps").read_text().split("/train.images\n")[1]
    assert int(pages.split("Private_Dirty:")[1].split()[0]) == 0


def test_an_epoch_of_a_pack_is_the_same_from_memory(pack: Path) -> None:
    images = fresh(Data(name=f"pack:{pack}"))
    copied = Images.from_arrays(images.arrays())
    assert not copied.is_packed and copied.about() == images.about()
    augment = Augment(
        Recipe(randaugment=5), may_flip=images.may_flip, photographs=True, size=images.size
    )

    def epoch(of: Images) -> list[tuple[torch.Tensor, torch.Tensor]]:
        source = torch.Generator().manual_seed(1)
        return [*of.train.shuffled(4, source, augment), *of.validation.batches(3)]

    for (x, labels), (same, of_same) in zip(epoch(images), epoch(copied), strict=True):
        assert x.shape[1:] == (3, 14, 14) and x.dtype == torch.float32
        assert torch.equal(x, same) and torch.equal(labels, of_same)


def test_the_fingerprint_is_that_of_the_pictures_and_their_split(animals: Path, pack: Path) -> None:
    data = Data(name=f"pack:{pack}")
    found = fresh(data).fingerprint()
    assert fresh(data).fingerprint() == found == fresh(of(animals)).fingerprint()
    assert Images.from_arrays(fresh(data).arrays()).fingerprint() == found
    assert fresh(data.model_copy(update={"seed": 1})).fingerprint() != found
    photograph(44, 46, seed=99).save(animals / "c" / "04.jpg", quality=90)
    assert fresh(of(animals)).fingerprint() != found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("most_bytes", [0, None])
def test_an_epoch_is_the_same_on_a_gpu_streamed_or_not(most_bytes: int | None, pack: Path) -> None:
    images = fresh(Data(name=f"pack:{pack}"))
    there = images.to(torch.device("cuda"), most_bytes=most_bytes)
    assert there.fingerprint() == images.fingerprint()
    assert there.train.images.is_cuda == (most_bytes is None) and there.train.device.type == "cuda"
    augment = Augment(Recipe(augment="shift+flip"), may_flip=True, photographs=True, size=14)
    for _ in range(3):
        source, same = (torch.Generator().manual_seed(1) for _ in range(2))
        pairs = zip(
            [*images.train.shuffled(2, source, augment), *images.validation.batches(3)],
            [*there.train.shuffled(2, same, augment), *there.validation.batches(3)],
            strict=True,
        )
        for (x, labels), (on_gpu, of_gpu) in pairs:
            torch.testing.assert_close(on_gpu.cpu(), x)
            assert torch.equal(of_gpu.cpu(), labels)
    first = next(there.train.shuffled(2, source, augment))  # left in the middle
    assert first[0].is_cuda
