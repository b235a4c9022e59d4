"""Where a trial looks, drawn by hand once it is trained: also of studies from before."""

from safetensors.torch import load as unpacked
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from .._files import UNREACHABLE, first_line, folder_of, read_file
from ..errors import BadValue
from ..spaces.placement import Placement
from ..spaces.plugging import build
from ..workers.data import load
from ..workers.looking import LOOKS, look
from . import store
from .databases import READS
from .records import Artifact
from .spec import SearchSpec

__all__ = ["draw_looks"]


def draw_looks(engine: Engine, name: str, number: int, count: int | None = None) -> Artifact:
    """Draw where trial ``number`` looks, on ``count`` images or as many as the study's spec says,
    and put the file beside its weights; returned is its record.

    Raises
        UnknownName  for a study or a trial that there is not
        BadValue     if the trial has no weights or no attention, or images or weights are not at
                     hand
    """
    with Session(engine.execution_options(**{READS: True})) as session:
        study = store.find_study(session, name)
        trial = store.find_trial(session, study, number)
        if trial.weights is None:
            raise BadValue(
                f"trial {number} is {trial.state} and has no weights: only of a fully trained one "
                "is there something to see"
            )
        spec, placement = SearchSpec.of(study.spec), Placement.parse(trial.placement)
        address, fingerprint = trial.weights, study.fingerprint
    if not placement.names:
        raise BadValue(f"trial {number} has no attention: it is a bare {placement.backbone}")
    try:
        weights = unpacked(read_file(address))
    except UNREACHABLE as error:
        raise BadValue(
            f"the weights of trial {number} are not at {address!r}: {first_line(error)}"
        ) from None
    images = load(spec.data)
    if fingerprint not in (None, images.fingerprint()):  # None: it is an older study
        raise BadValue(f"the images of {spec.data.name} are no longer those of study {name!r}")
    model = build(
        placement,
        len(images.classes),
        image_size=images.size,
        identity_init=spec.space.identity_init,
        weights=spec.space.weights,
    )
    model.load_state_dict(weights)
    about, content = look(model, placement, images, count or spec.looks or 6, spec.data.seed)
    folder = folder_of(address)
    try:
        folder.write(LOOKS, content)
    except UNREACHABLE as error:
        raise BadValue(f"nothing can be written to {folder}: {first_line(error)}") from None
    columns = {"address": folder.address(LOOKS), "bytes": len(content), "about": about}
    with Session(engine, expire_on_commit=False) as session, session.begin():
        study = store.locked(session, store.find_study(session, name).id)
        return store.show_looks(session, store.find_trial(session, study, number), **columns)
