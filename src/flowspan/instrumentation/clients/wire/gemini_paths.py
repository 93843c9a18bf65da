"""What the path of a request to Gemini says: model, verb, whether it streams, and whose API it is.

::

    /v1beta/models/gemini-2.5-flash:streamGenerateContent
    /v1beta1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent
    /v1beta/tunedModels/mine:generateContent
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from flowspan.instrumentation.clients.wire.shape import Body

_NAMED: Final = "models"
_STREAMS: Final = "stream"
_VERTEX: Final = ("projects", "publishers")


class Aim(NamedTuple):
    """What a path asks for.

    Attributes:
        model: The model's name, without the collection that Google keeps it in; a tuned model or
            an endpoint keeps its own (``tunedModels/mine``).
        verb: ``generateContent``, …
        streams: Whether the verb asks for a stream.
        vertex: Whether it is a path of Vertex AI.
    """

    model: str
    verb: str
    streams: bool
    vertex: bool


@lru_cache(maxsize=1024)
def aim(path: str) -> Aim | None:
    """What ``path``, with or without its query, asks for; ``None`` where it has no verb."""
    resource, colon, verb = path.partition("?")[0].rpartition(":")
    if not colon or "/" in verb or not resource.rpartition("/")[2]:
        return None
    vertex = any(step in _VERTEX for step in resource.split("/"))
    return Aim(model_named(resource), verb, verb.startswith(_STREAMS), vertex)


def model_named(resource: str) -> str:
    """The name of a model that is kept in a collection, as :class:`Aim` has it."""
    steps = resource.strip("/").split("/")
    return steps[-1] if len(steps) == 1 or steps[-2] == _NAMED else "/".join(steps[-2:])


def model_in_path(path: str, _body: Body) -> str | None:
    """The model that a path names."""
    found = aim(path)
    return None if found is None else found.model


def streams_by_verb(path: str, _body: Body) -> bool:
    """Whether a path's verb asks for a stream."""
    found = aim(path)
    return found is not None and found.streams
