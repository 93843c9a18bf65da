"""Messages of Google's protocol buffers, read as the JSON that stands for them.

Each message can turn itself into that, so nothing of the library is imported here.  It costs tens
of microseconds and copies every text, so a member is converted when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from flowspan.instrumentation.clients.wire.gemini import snake_case

_SCALARS: Final = (str, bytes, int, float)


class Members(Mapping[str, Any]):
    """The members of a message, by their names in JSON, which are in ``camelCase``.

    Iterating gives only some of them: those that are parameters, and never a prompt.
    """

    __slots__ = ("_message", "_more", "_shown")

    def __init__(
        self, message: Any, *, shown: tuple[str, ...] = (), more: Mapping[str, Any] | None = None
    ) -> None:
        """Read ``message`` (a mapping of its members serves as well), with ``more`` beside it."""
        self._message = message
        self._shown = shown
        self._more = more or {}

    def __getitem__(self, name: str) -> Any:
        if name in self._more:
            return self._more[name]
        field, message = snake_case(name), self._message
        if not _has(message, field):
            raise KeyError(name)
        mapping = isinstance(message, Mapping)
        return converted(message[field] if mapping else getattr(message, field))

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._shown if _has(self._message, snake_case(name)))
        yield from self._more

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _has(message: Any, field: str) -> bool:
    try:
        return field in message
    except AttributeError:  # messages of this type have no such field
        return False


def converted(value: Any) -> Any:
    """A value as JSON has it: messages are mappings, repeated ones lists."""
    if value is None or isinstance(value, _SCALARS):
        return value
    to_dict = getattr(type(value), "to_dict", None)
    if to_dict is not None:
        return to_dict(
            value,
            use_integers_for_enums=False,
            preserving_proto_field_name=False,
            including_default_value_fields=False,
        )
    if isinstance(value, Mapping):
        return {name: converted(member) for name, member in value.items()}
    return [converted(item) for item in value]
