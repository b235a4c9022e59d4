"""The pictures of where a trial looks, as a page shows them: without torch, from one small file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from PIL import Image, ImageDraw

from ..errors import BadValue, UnknownName

__all__ = ["Looks", "read", "scale"]

IMAGES, SITES = 24, 300  # of a file, at most
MOST = 2**26  # bytes of a file, unpacked; 24 images with 100 sites have half of it
SIDE = 1024  # pixels of a picture at most
HEAT, PALE = 0.7, 0.5  # shares of the colour on a map, and of grey in the image below
SHADE = 0.55  # share of black outside of a rectangle
LINE, FINE = (240, 228, 66), 4  # colour of an outline, and how much finer it is drawn at first


@dataclass(frozen=True, slots=True)
class Looks:
    """What ``workers.looking.look`` left of a trial.

    ``image`` and ``site`` are places in the lists of ``about``, which ``records.Artifact``
    describes; ``side`` is in pixels, by default the stored pictures' own. All return PNG.

    Raises
        UnknownName  for an image or a site that there is not, or that shows nothing
        BadValue     for a side that no picture may have, and a file that is broken
    """

    about: Mapping[str, Any]
    files: Mapping[str, bytes]

    def picture(self, image: int, side: int | None = None) -> bytes:
        """The image itself; enlarged, its pixels stay squares."""
        return _png(self._picture(image, side))

    def overlay(self, image: int, site: int, side: int | None = None) -> bytes:
        """What ``site`` does to the image, over it: colours of a map, or a rectangle.

        A map's colours are those of ``scale`` over its ``range``, from one position to the next in
        between; where nothing comes in, the image has none. What is outside of a rectangle is dark.
        """
        picture, there = self._picture(image, side), self._there(site)
        if there["shows"] == "map":
            return _png(_heated(picture, self._opened(f"map-{image}-{site}.png")))
        return _png(_framed(picture, there["rectangles"][image]["corners"]))

    def _picture(self, image: int, side: int | None) -> Image.Image:
        if image not in range(count := len(self.about["images"])):
            raise UnknownName(f"there is no image {image}; there are 0 to {count - 1}")
        if side is not None and not 1 <= side <= SIDE:
            raise BadValue(f"a picture has 1 to {SIDE} pixels a side, got {side}")
        picture = self._opened(f"image-{image}.png").convert("RGB")
        if side is None or side == picture.width:
            return picture
        way = Image.Resampling.NEAREST if side > picture.width else Image.Resampling.BOX
        return picture.resize((side, side), way)

    def _there(self, site: int) -> dict[str, Any]:
        if site not in range(count := len(self.about["sites"])):
            raise UnknownName(f"there is no site {site}; there are 0 to {count - 1}")
        found: dict[str, Any] = self.about["sites"][site]
        if found["shows"] == "nothing":
            raise UnknownName(f"{found['module']} at {found['site']} shows nothing: {found['why']}")
        return found

    def _opened(self, name: str) -> Image.Image:
        try:
            found = Image.open(BytesIO(self.files[name]), formats=["PNG"])
            if max(found.size) > SIDE:  # before it is unpacked
                raise ValueError(f"it has {found.width} x {found.height} pixels")
            found.load()
        except (KeyError, OSError, SyntaxError, ValueError) as error:
            raise BadValue(f"the picture {name!r} is broken: {error}") from None
        return found


def read(address: str) -> Looks:
    """The pictures in the file of this address: a path, or in an object store.

    Raises
        BadValue  if there is none, or it is no such file
    """
    from .._files import UNREACHABLE, first_line, read_file  # pyarrow, which takes 0.2 s

    try:
        files = _unpacked(read_file(address))
        about = json.loads(files.pop("about.json"))
        if len(about["images"]) > IMAGES or len(about["sites"]) > SITES:
            raise ValueError("it has too many pictures")
        return Looks(about, files)
    except UNREACHABLE as error:
        raise BadValue(f"there are no pictures at {address!r}: {first_line(error)}") from None
    except (BadZipFile, KeyError, NotImplementedError, TypeError, ValueError) as error:
        raise BadValue(f"the pictures at {address!r} are broken: {first_line(error)}") from None


def _unpacked(content: bytes) -> dict[str, bytes]:
    """The files of a zip; what it says of their sizes is not believed."""
    files, left = {}, MOST
    with ZipFile(BytesIO(content)) as file:
        for info in file.infolist():
            with file.open(info) as member:
                files[info.filename] = member.read(left + 1)
            left -= len(files[info.filename])
            if left < 0:
                raise ValueError("it is too large")
    return files


def scale(width: int = 256, height: int = 12) -> bytes:
    """The colours of a map from the lower to the upper end of its range, as PNG."""
    steps = np.linspace(0, 255, width).round().astype(int)
    return _png(Image.fromarray(np.tile(_colours()[steps], (height, 1, 1))))


@cache
def _colours() -> np.ndarray[Any, Any]:
    """Viridis, in which equal steps look equal, to the colour-blind, too: (256, 3)."""
    from matplotlib import colormaps

    table: np.ndarray[Any, Any] = colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
    return table


def _heated(picture: Image.Image, heat: Image.Image) -> Image.Image:
    """``heat``, in grey and alpha, as colours over ``picture`` in grey."""
    grey, known = heat.convert("LA").resize(picture.size, Image.Resampling.BILINEAR).split()
    colours = Image.fromarray(_colours()[np.asarray(grey)])
    below = Image.blend(picture.convert("L"), Image.new("L", picture.size, 128), PALE)
    below = below.convert("RGB")  # pale, so that a colour is nearly the same on black and on white
    return Image.composite(Image.blend(below, colours, HEAT), below, known)


def _framed(picture: Image.Image, corners: list[list[float]]) -> Image.Image:
    """``picture``, dark outside of the rectangle."""
    size = [FINE * side for side in picture.size]
    points = [(x * size[0], y * size[1]) for x, y in corners]
    inside, line = (Image.new("L", (size[0], size[1])) for _ in range(2))
    ImageDraw.Draw(inside).polygon(points, fill=255)
    ImageDraw.Draw(line).line([*points, *points[:2]], fill=255, width=size[0] // 60 + 1)
    inside, line = (mask.resize(picture.size, Image.Resampling.BOX) for mask in (inside, line))
    dark = Image.blend(picture, Image.new("RGB", picture.size), SHADE)
    shaded = Image.composite(picture, dark, inside)
    return Image.composite(Image.new("RGB", picture.size, LINE), shaded, line)


def _png(image: Image.Image) -> bytes:
    content = BytesIO()
    image.save(content, "png")
    return content.getvalue()
