"""The API in OpenAPI's words, for clients and for tests: an entry for each path."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..search.records import STATES
from .axes import AXES
from .filters import BOUNDS
from .heat import METRICS

__all__ = ["description"]

Described = dict[str, Any]


def description(version: str) -> Described:
    """The document, as ``/api/v1/openapi.json`` has it."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "foveate's dashboard", "version": version},
        "paths": _PATHS,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],  # a dashboard may ask for a token
    }


def _place(name: str, says: str) -> Described:
    """A whole number in the path."""
    return _parameter(name, "path", says, _WHOLE, required=True)


def _asked(name: str, says: str, schema: Described, *, required: bool = False) -> Described:
    """A parameter of the query."""
    return _parameter(name, "query", says, schema, required=required)


def _parameter(name: str, where: str, says: str, schema: Described, *, required: bool) -> Described:
    about = {"name": name, "in": where, "required": required}
    return about | {"description": says, "schema": schema}


def _get(
    says: str,
    *parameters: Described,
    type: str | Sequence[str] = "application/json",
    bare: Mapping[str, str] | None = None,
    refusals: Mapping[str, str] | None = None,
) -> Described:
    """One path: what it gives, and what it takes; ``bare`` are statuses that have no body."""
    content: Described = {one: {} for one in ([type] if isinstance(type, str) else type)}
    answers: Described = {"200": {"description": says, "content": content}}
    answers |= {status: {"description": why} for status, why in (bare or {}).items()}
    answers |= _refused(_REFUSALS | dict(refusals or {}))
    return {"get": {"summary": says, "parameters": list(parameters), "responses": answers}}


def _post(
    says: str, *parameters: Described, body: Described | None = None, answer: str = "202"
) -> Described:
    """One path that starts something: what it takes, and why it may refuse."""
    answers: Described = {answer: {"description": says, "content": {"application/json": {}}}}
    answers |= _refused(_REFUSALS | _OF_POSTS)
    sent = {"required": True, "content": {"application/json": {"schema": body or _ANY}}}
    about = {"summary": says, "parameters": list(parameters), "requestBody": sent}
    return {"post": about | {"responses": answers}}


def _refused(refusals: dict[str, str]) -> Described:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": why, "content": content} for status, why in refusals.items()}


_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
            "required": ["code", "message"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}
_REFUSALS = {
    "400": "a parameter has a value that it cannot have",
    "401": "the token is missing, or another",
    "404": "there is no such study or trial",
    "405": "pages only read",
    "503": "the database does not answer",
}

_OF_POSTS = {
    "403": "it comes from another page, or is not allowed here",
    "409": "the study or trial is in no state for it",
    "413": "the body is too long",
    "415": "the body is not JSON",
    "429": "too much is under way",
}

_ANY = {"type": "object"}
_FORBIDDEN = {"403": "searches are not launched from here"}
_WHOLE = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 1000}
_NUMBER = {"type": "number"}
_TEXT = {"type": "string", "maxLength": 200}
_STUDY = _place("id", "number of a study") | {"example": 1}
_TRIAL = _place("number", "number of a trial in its study") | {"example": 3}
_JOB = _parameter("job", "path", "as it was answered", _TEXT, required=True) | {"example": "x"}
_COST = _asked(
    "cost",
    "what accuracy is drawn against; left out: the axis that fits",
    {"type": "string", "enum": [axis.id for axis in AXES]},
)
_FILTER = [  # the same for every path; left out: all trials
    _asked("state", "one or more, with commas between", {"type": "string", "enum": [*STATES]}),
    _asked("module", "a module, @ a place, or both: cbam@s3b2", _TEXT),
    _asked("backbone", "of studies with several", _TEXT),
    _asked("min_acc", "percent", _NUMBER),
    *(_asked(key, f"at most so much {column}", _NUMBER) for key, column in BOUNDS.items()),
]
_PIXELS = [_asked(name, "pixels of the chart", _NUMBER) for name in ("w", "h")]
_SPAN = [_asked(name, "of what is in view", _NUMBER) for name in ("x0", "x1", "y0", "y1")]
_KEEP = _asked("keep", "numbers of trials to be sent in any case, with commas between", _TEXT)
_SINCE = _asked("since", "the cursor of the answer before", _WHOLE, required=True)
_SORT = _asked("sort", "a column, - before it: the greatest first", _TEXT)
_COLUMNS = _asked("cols", "columns, with commas between", _TEXT)
_KEPT = {"304": "the reader has it"}
_TABLE = ["text/csv; charset=utf-8", "application/json", "application/x-tex; charset=utf-8"]

_OF_STUDY = "/api/v1/studies/{id}"
_PATHS = {
    "/api/v1/openapi.json": _get("This document."),
    "/api/v1/studies": _get("All studies in a line each."),
    _OF_STUDY: _get("One study, with its places, modules and objectives.", _STUDY, bare=_KEPT),
    f"{_OF_STUDY}/points": _get(
        "Everything that the chart draws.",
        *(_STUDY, _COST, *_FILTER, *_PIXELS, *_SPAN, _KEEP),
        bare=_KEPT,
    ),
    f"{_OF_STUDY}/changes": _get(
        "What changed since a cursor.",
        *(_STUDY, _SINCE, _COST, *_FILTER),
        bare=_KEPT | {"204": "nothing changed"},
    ),
    f"{_OF_STUDY}/hypervolume": _get(
        "Where the hypervolume rose.", _STUDY, _COST, *_FILTER, bare=_KEPT
    ),
    f"{_OF_STUDY}/trials": _get(
        "A page of trials.",
        *(_STUDY, *_FILTER, _SORT, _COLUMNS),
        *(_asked("page", "from 1", _COUNT), _asked("per", "trials a page", _COUNT)),
        bare=_KEPT,
    ),
    f"{_OF_STUDY}/trials.{{kind}}": _get(
        "All trials as a file.",
        *(_STUDY, *_FILTER, _SORT, _COLUMNS),
        _parameter(
            "kind",
            "path",
            "of file",
            {"type": "string", "enum": ["csv", "json", "tex"]},
            required=True,
        ),
        type=_TABLE,
    ),
    f"{_OF_STUDY}/trials/{{number}}": _get(
        "All that is known of a trial.", _STUDY, _TRIAL, bare=_KEPT
    ),
    f"{_OF_STUDY}/trials/{{number}}/arch.svg": _get(
        "Its architecture as a picture.", _STUDY, _TRIAL, type="image/svg+xml", bare=_KEPT
    ),
    f"{_OF_STUDY}/trials/{{n}}/export": _post(
        "A job that writes a trained trial as a file.",
        _STUDY,
        _TRIAL | {"name": "n"},
        body={
            "type": "object",
            "properties": {"format": {"type": "string", "enum": ["module", "onnx", "pt2"]}},
            "additionalProperties": False,
        },
    ),
    f"{_OF_STUDY}/compare": _get(
        "Two to four trials side by side.",
        *(_STUDY, _asked("t", "their numbers, with commas between", _TEXT)),
        bare=_KEPT,
    ),
    f"{_OF_STUDY}/heatmap": _get(
        "What each module brings at each place.",
        *(_STUDY, *_FILTER),
        _asked("metric", "what a cell says", {"type": "string", "enum": [*METRICS]}),
        bare=_KEPT,
    ),
    f"{_OF_STUDY}/importance": _get(
        "How much the choice at each place matters.", _STUDY, *_FILTER, bare=_KEPT
    ),
    f"{_OF_STUDY}/together": _get(
        "Which modules stand together, and how many.", _STUDY, *_FILTER, bare=_KEPT
    ),
    f"{_OF_STUDY}/workers": _get(
        "Who trained what when, the pace, failures, and how long it takes.",
        *(_STUDY, *_FILTER),
        _asked("window", "seconds until now, or all", _TEXT),
        _asked("last", "so many trials", _COUNT),
        bare=_KEPT,
    ),
    f"{_OF_STUDY}/drivers": _get("The processes that search.", _STUDY, bare=_KEPT),
    f"{_OF_STUDY}/findings": _get("How the study is doing.", _STUDY, bare=_KEPT),
    f"{_OF_STUDY}/stops": _get(
        "What early stopping saved, and whom it stopped.", _STUDY, *_FILTER, bare=_KEPT
    ),
    f"{_OF_STUDY}/stop": _post("Asks who searches a study to end.", _STUDY, answer="200"),
    f"{_OF_STUDY}/resume": _post("Goes on with a study.", _STUDY),
    "/api/v1/launch/choices": _get("What there is to choose from.", refusals=_FORBIDDEN),
    "/api/v1/launch/preview": _post("A search as YAML, its size and costs.", answer="200"),
    "/api/v1/launch": _post("Starts a search."),
    "/api/v1/launch/runs": _get("What was started from here.", refusals=_FORBIDDEN),
    "/api/v1/launch/runs/{run}": _get(
        "What one of them says.", _JOB | {"name": "run"}, refusals=_FORBIDDEN
    ),
    "/api/v1/jobs/{job}": _get("How far a job is.", _JOB),
    "/api/v1/jobs/{job}/file": _get(
        "What a job wrote.", _JOB, type=["application/zip", "application/octet-stream"]
    ),
}
