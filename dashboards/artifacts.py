"""``/artifacts/{id}``: pictures that trials left, served by their record's id, never by a path.

A database from elsewhere may name any file of this machine. So a file is opened only if it is of a
kind that we write pictures in and lies in the folder of a study; and of what is in it nothing is
sent but pictures that were decoded and drawn anew. Weights are not served: an export is checked.
"""

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit
from zipfile import ZIP_STORED, ZipFile

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import UserError
from ..search import looks, store
from ..search.records import Artifact
from .site import Site, asking, whole

__all__ = ["is_ours", "routes"]

SHOWN = "attention"  # the kind of artifact that holds pictures
STORES = ("s3", "gs")
FOLDER = re.compile(".+-[0-9a-f]{8}")  # of a study: search.runs.folder_name
SEALED = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox"}
SIDE = 512  # pixels of a picture at most


def routes(site: Site) -> list[Route]:
    """The pictures of an artifact, one by one and all together, and the scale of their colours."""

    def file(request: Request) -> Response:
        def archive(found: looks.Looks) -> Response:
            name = f"where-trial-looks-{request.path_params['id']}.zip"
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return Response(archive_of(found), media_type="application/zip", headers=headers)

        return served(request, archive)

    def image(request: Request) -> Response:
        number, side = whole(request.path_params["image"], "an image", 404), side_of(request)
        return served(request, lambda found: png(found.picture(number, side)))

    def overlay(request: Request) -> Response:
        number, side = whole(request.path_params["image"], "an image", 404), side_of(request)
        place = whole(request.path_params["site"], "a site", 404)
        return served(request, lambda found: png(found.overlay(number, place, side)))

    def served(request: Request, answer: Callable[[looks.Looks], Response]) -> Response:
        with site.session() as session:
            id = whole(request.path_params["id"], "an artifact", 404)
            artifact = store.artifact_numbered(session, id)
        if artifact is None:
            raise HTTPException(404, f"there is no artifact {id} in this database")
        named = f"{artifact.created} {artifact.address} {site.version} {request.url}"
        tag = f'"{hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:20]}"'
        headers = SEALED | {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        response = asking(lambda: answer(opened(artifact)), status=404)
        response.headers.update(headers)
        return response

    def scale(request: Request) -> Response:
        response = png(looks.scale())
        response.headers.update(SEALED | {"Cache-Control": "private, max-age=86400"})
        return response

    return [
        Route("/artifacts/{id}", file),
        Route("/artifacts/{id}/images/{image}", image),
        Route("/artifacts/{id}/images/{image}/{site}", overlay),
        Route("/looks/scale.png", scale),
    ]


def opened(artifact: Artifact) -> looks.Looks:
    """The pictures of ``artifact``; 404 if it holds none, ``BadValue`` if it cannot be read."""
    if artifact.kind != SHOWN:
        raise HTTPException(
            404, f"artifact {artifact.id} holds no pictures; weights leave by an export"
        )
    if not is_ours(artifact.address):
        raise HTTPException(404, f"artifact {artifact.id} lies outside of the studies' folders")
    try:
        return _read(artifact.id, f"{artifact.created}", artifact.address)
    except UserError:  # whose sentence says what is in the file, or not
        raise HTTPException(404, f"the pictures of artifact {artifact.id} cannot be read") from None


@lru_cache(16)
def _read(id: int, created: str, address: str) -> looks.Looks:
    return looks.read(address)


def is_ours(address: str) -> bool:
    """Whether a file lies in the folder of a study: where links lead is what counts.

    A study that was copied or merged has files in the folder of the one they came from.
    """
    parts = urlsplit(address) if "://" in address else None
    if parts is not None and parts.scheme != "file":  # a query or a user names another server
        asked = {key for key, _ in parse_qsl(parts.query, keep_blank_values=True)}
        known = parts.scheme in STORES and asked <= {"region"} and "@" not in parts.netloc
        where = PurePosixPath(unquote(parts.path))
    else:
        try:
            here = Path(unquote(parts.path) if parts else address).resolve()
            known = not here.exists() or (here.is_file() and here.stat().st_size <= looks.MOST)
        except (OSError, RuntimeError, ValueError):  # no path at all, or links without end
            return False
        where = PurePosixPath(here)
    folders = where.parts[:-1]
    return known and ".." not in folders and any(map(FOLDER.fullmatch, folders))


def archive_of(found: looks.Looks) -> bytes:
    """All pictures as a zip of PNG files."""
    content = BytesIO()
    with ZipFile(content, "w", ZIP_STORED) as file:
        for image in range(len(found.about["images"])):
            file.writestr(f"image-{image}.png", found.picture(image))
            for place, site in enumerate(found.about["sites"]):
                if site["shows"] != "nothing":
                    file.writestr(f"image-{image}-site-{place}.png", found.overlay(image, place))
    return content.getvalue()


def side_of(request: Request) -> int | None:
    """Pixels a side that an address asks for."""
    said = request.query_params.get("side")
    if said is None:
        return None
    side = whole(said, "side", 400)
    if not 1 <= side <= SIDE:
        raise HTTPException(400, f"side must be 1 to {SIDE} pixels, got {side}")
    return side


def png(content: bytes) -> Response:
    """A picture that we made."""
    return Response(content, media_type="image/png")
