"""The API in OpenAPI's words, for clients and for tests: an entry for each path."""

from collections.abc import Mapping
from typing import Any

from .axes import AXES

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
    type: str = "application/json",
    bare: Mapping[str, str] | None = None,
) -> Described:
    """One path: what it gives, and what it takes; ``bare`` are statuses that have no body."""
    answers: Described = {"200": {"description": says, "content": {type: {}}}}
    answers |= {status: {"description": why} for status, why in (bare or {}).items()}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status, why in _REFUSALS.items():
        answers[status] = {"description": why, "content": content}
    return {"get": {"summary": says, "parameters": list(parameters), "responses": answers}}


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

_WHOLE = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_STUDY = _place("id", "number of a study") | {"example": 1}
_COST = _asked(
    "cost",
    "what accuracy is drawn against; left out: the axis that fits",
    {"type": "string", "enum": [axis.id for axis in AXES]},
)
_SINCE = _asked("since", "the cursor of the answer before", _WHOLE, required=True)

_PATHS = {
    "/api/v1/openapi.json": _get("This document."),
    "/api/v1/studies": _get("All studies in a line each."),
    "/api/v1/studies/{id}/points": _get(
        "Everything that the charts draw.", _STUDY, _COST, bare={"304": "the reader has it"}
    ),
    "/api/v1/studies/{id}/changes": _get(
        "What changed since a cursor.", _STUDY, _SINCE, _COST, bare={"204": "nothing changed"}
    ),
}
