"""Mistral's SDK: chat, agents, completions of code and embeddings.

``chat.parse`` and its kin call ``complete`` and ``stream``, so that they have no rows of their own.
Streams are observed at the HTTP response below them (see :mod:`.bodies`).  Version 2 moved the
modules; versions 2.10 and later trace themselves only where they are asked to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from flowspan.instrumentation.clients.addresses import address
from flowspan.instrumentation.clients.methods import Method, row
from flowspan.instrumentation.clients.wire.mistral import AGENTS, CHAT, EMBEDDINGS, FIM
from flowspan.instrumentation.clients.wire.providers import Place
from flowspan.instrumentation.clients.wire.reading import word
from flowspan.instrumentation.clients.wire.shape import Shape
from flowspan.instrumentation.integration import Call, Integration, Patch


class _Resource(NamedTuple):
    """A resource of the SDK: its module, its class, its format, and what its methods are called."""

    module: str
    owner: str
    shape: Shape
    whole: str = "complete"
    stream: str | None = "stream"


_RESOURCES: Final = (
    _Resource("chat", "Chat", CHAT),
    _Resource("agents", "Agents", AGENTS),
    _Resource("fim", "Fim", FIM),
    _Resource("embeddings", "Embeddings", EMBEDDINGS, "create", None),
)
_STREAMED: Final = {"stream": True}


def _place(call: Call) -> Place:
    if isinstance(url := call.kwargs.get("server_url"), str):
        return address(url)
    configuration = getattr(call.instance, "sdk_configuration", None)
    if url := word(getattr(configuration, "server_url", None)):
        return address(url)
    servers = getattr(sys.modules.get(type(configuration).__module__), "SERVERS", {})
    server = word(getattr(configuration, "server", None)) or next(iter(servers), None)
    return address(servers.get(server))


def _observed(_call: Call, result: Any) -> Any:
    """The response below a stream; an answer that was read whole has none."""
    return getattr(result, "response", None)


def _rows() -> Iterator[Patch]:
    for resource in _RESOURCES:
        for suffix in ("", "_async"):
            if resource.stream is not None:
                yield _row(resource, resource.stream + suffix, streamed=True)
            yield _row(resource, resource.whole + suffix, streamed=False)


def _row(resource: _Resource, name: str, *, streamed: bool) -> Patch:
    path = f"{resource.module}:{resource.owner}.{name}"
    return row(
        Method(
            targets=(f"mistralai.client.{path}", f"mistralai.{path}"),
            shape=resource.shape,
            place=_place,
            fixed=_STREAMED if streamed else {},
            response=_observed if streamed else None,
        )
    )


INTEGRATION: Final = Integration(
    "mistralai",
    "mistralai>=1.2.5",
    tuple(_rows()),
    environment={"MISTRAL_SDK_TELEMETRY": "false"},
)
