"""Settings: frozen dataclasses that refuse nonsense, with one sentence for the first mistake."""

from collections.abc import Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import BadValue, UserError, listed, unknown

__all__ = ["Settings"]


class Settings(BaseModel):
    """A frozen model; unknown keys and impossible values raise a ``UserError`` of one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _sentence(type(self), error) from None

    # without this mark pydantic would call __init__ for nested models, too, and their errors would
    # not know the path that led to them
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From plain data, such as what a YAML file held."""
        for key in values:
            if not isinstance(key, str):
                raise BadValue(f"a setting is called by a word, got {key!r}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """As plain data: ``of(to_dict())`` is equal."""
        return self.model_dump(mode="json")


def _sentence(model: type[BaseModel], error: ValidationError) -> UserError:
    first = error.errors()[0]
    *parents, name = [part for part in first["loc"] if not str(part).startswith("function-")] or [
        ""
    ]
    path = ".".join(map(str, [*parents, name]))
    if first["type"] == "extra_forbidden":
        fields = sorted(_model_at(model, parents).model_fields)
        return unknown("setting", path, [".".join(map(str, [*parents, key])) for key in fields])
    if first["type"] == "missing":
        return BadValue(f"{path} is missing")
    if first["type"] == "literal_error":
        field = _model_at(model, parents).model_fields.get(str(name))
        named = get_args(field.annotation) if field else ()  # Literal["a", "b"], perhaps | None
        choices = [one for part in named for one in get_args(part) or [part]]
        choices = [one for one in choices if one is not type(None)]
        if choices:
            may = listed(map(repr, choices), last="or")
            return BadValue(f"{path} may be {may}, got {first['input']!r}")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UserError):  # raised by one of our own validators
        return cause
    message = first["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "should be").replace("Input must be", "must be")
    return BadValue(f"{path}: {message}, got {first['input']!r}".removeprefix(": "))


def _model_at(model: type[BaseModel], parents: list[int | str]) -> type[BaseModel]:
    for part in parents:
        field = model.model_fields.get(str(part))
        options = [] if field is None else [field.annotation, *get_args(field.annotation)]
        inner = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
        if not inner:
            return model
        model = inner[0]
    return model
