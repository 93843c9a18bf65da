from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from flowspan.testing.schema_instance import instance_of


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str
    kind: Literal["part"]


class Whole(BaseModel):
    colour: Colour
    weight: float
    open: bool
    note: str | None
    none: None
    parts: Annotated[list[Part], Field(min_length=2)]
    more: list[Part]
    main: Part


def test_instance_of_a_model_is_valid() -> None:
    """What SDKs make of a typed model has a smallest instance, which the model accepts."""
    value = instance_of(Whole.model_json_schema())

    assert Whole.model_validate(value) == Whole(
        colour=Colour.RED,
        weight=0.0,
        open=False,
        note="echo",
        none=None,
        parts=[Part(name="echo", kind="part")] * 2,
        more=[],
        main=Part(name="echo", kind="part"),
    )


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object"}, {}),
        ({}, {}),
        ({"oneOf": [{"type": "integer"}]}, 0),
        ({"allOf": [{"const": 3}]}, 3),
    ],
)
def test_other_schemas(schema: dict[str, Any], value: object) -> None:
    """Bare objects and combinations have an instance too."""
    assert instance_of(schema) == value
