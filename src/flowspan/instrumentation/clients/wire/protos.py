"""Messages of Google's protocol buffers, read as the JSON that stands for them.

A message tells its fields that are set, each with its description, so nothing of the library is
imported.  Converting copies every text, so a member is converted when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from flowspan.instrumentation.clients.wire.gemini import snake_case


class Members(Mapping[str, Any]):
    """The members of a message, by their names in JSON, which are in ``camelCase``.

    Iterating gives only some of them: those that are parameters, and never a prompt.
    """

    __slots__ = ("_fields", "_more", "_shown")

    def __init__(
        self, message: Any, *, shown: tuple[str, ...] = (), more: Mapping[str, Any] | None = None
    ) -> None:
        """Read ``message`` (a mapping of its members serves as well), with ``more`` beside it."""
        self._fields = _fields(message)
        self._shown = shown
        self._more = more or {}

    def __getitem__(self, name: str) -> Any:
        if name in self._more:
            return self._more[name]
        if name not in self._fields:
            name = snake_case(name)
        field, value = self._fields[name]
        return converted(value, field)

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._shown if name in self)
        yield from self._more

    def __contains__(self, name: object) -> bool:
        known = name in self._more or name in self._fields
        return known or (isinstance(name, str) and snake_case(name) in self._fields)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def is_message(value: Any) -> bool:
    """Whether a value is a message, or what Google's libraries wrap one in."""
    return hasattr(getattr(value, "_pb", value), "ListFields")


def converted(value: Any, field: Any = None) -> Any:
    """A value as JSON has it, except that bytes stay bytes.

    Args:
        value: A message, a repeated field, a map, or anything else.
        field: The description of the field that it is the value of.
    """
    value = getattr(value, "_pb", value)
    if hasattr(value, "ListFields"):
        return _converted_message(value)
    if isinstance(value, Mapping) or hasattr(value, "GetEntryClass"):
        return {name: converted(value[name]) for name in value}
    if isinstance(value, int) and getattr(field, "enum_type", None) is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    if isinstance(value, str | bytes | int | float) or value is None:
        return value
    return [converted(item, field) for item in value]


def _fields(message: Any) -> dict[str, tuple[Any, Any]]:
    if isinstance(message, Mapping):
        return {name: (None, value) for name, value in message.items() if value is not None}
    message = getattr(message, "_pb", message)
    return {field.json_name: (field, value) for field, value in message.ListFields()}


def _converted_message(message: Any) -> Any:
    plain = _PLAIN.get(message.DESCRIPTOR.full_name)
    if plain is not None:
        return plain(message)
    return {field.json_name: converted(value, field) for field, value in message.ListFields()}


def _value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    return None if kind in {None, "null_value"} else converted(getattr(message, kind))


_PLAIN: Final[dict[str, Callable[[Any], Any]]] = {
    "google.protobuf.Struct": lambda struct: converted(struct.fields),
    "google.protobuf.ListValue": lambda values: converted(values.values),
    "google.protobuf.Value": _value,
}
"""Messages that stand for values of JSON."""
