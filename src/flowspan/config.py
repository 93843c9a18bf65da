"""Settings: every ``FLOWSPAN_*`` variable, its default and its meaning.

A wrong value never stops anything: the default is used, and one sentence that names the variable,
the value and the form expected is kept in :attr:`Settings.problems`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, NamedTuple

Detail = Literal["minimal", "normal", "full"]
ContentMode = Literal["off", "hash", "redacted", "full"]
EventSignal = Literal["span", "log", "both"]
StreamUsage = Literal["estimate", "request"]
Estimates = Literal["bytes", "tiktoken"]
Clients = Literal["own", "foreign"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user asked for. Read it with :func:`load`.

    Attributes:
        store: Place of the embedded store: a file, a folder, or ``None`` for the user's data
            folder; or the address of a database for readers, then programs write no store.
        store_enabled: False where ``FLOWSPAN_STORE=off``.
        store_max_mb: Size in MiB above which the oldest runs are deleted at start.
        store_max_days: Age in days above which runs are deleted at start.
        detail: How much is recorded.
        content: Whether messages are recorded, and how.
        map_path: A span map for in-house code.
        prices_path: A price override file.
        clients: Who owns model calls that flowspan and other instrumentations see.
        http_hosts: Further hosts whose plain HTTP calls are model calls; ``*`` is every host.
        stream_usage: Whether streams are asked for their usage where their program does not.
        estimates: How tokens are counted where nobody says them.
        events: Where events go.
        loop_rounds: After how many rounds of a node a loop is suspected; 0 for never.
        shutdown_seconds: The longest that exit may wait for exporters, all signals together.
        invocation: Identifies one ``flowspan run`` command.
        problems: One sentence for each value that could not be used.
    """

    store: str | None = None
    store_enabled: bool = True
    store_max_mb: float = 1024.0
    store_max_days: float = 30.0
    detail: Detail = "normal"
    content: ContentMode = "off"
    map_path: str | None = None
    prices_path: str | None = None
    clients: Clients = "own"
    http_hosts: tuple[str, ...] = ()
    stream_usage: StreamUsage = "estimate"
    estimates: Estimates = "bytes"
    events: EventSignal = "span"
    loop_rounds: int = 5
    shutdown_seconds: float = 2.0
    invocation: str | None = None
    problems: tuple[str, ...] = ()


class _RefusedError(ValueError):
    """The form that a value should have had."""


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() in allowed:
            return text.lower()
        raise _RefusedError("one of " + ", ".join(allowed))

    return parse


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _RefusedError("a number, as 2 or 0.5") from None
    if not 0 <= number < float("inf"):
        raise _RefusedError("a number that is not negative")
    return number


def _rounds(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) != 1:
        return int(text)
    raise _RefusedError("a whole number from 2 on, or 0 for never")


_HOST: Final = re.compile(
    r"\*|[^\s/@?#*:\[\]]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?|[0-9a-f.]*:[0-9a-f:.]*:[0-9a-f:.]*"
)


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    if not all(map(_HOST.fullmatch, hosts)):
        raise _RefusedError(
            "hosts without scheme and path, as gateway.example.com,10.0.0.5:8080, or * for every "
            "host"
        )
    # A client says an address of IPv6 without its brackets.
    return tuple(host.replace("[", "").replace("]", "") for host in hosts)


class Variable(NamedTuple):
    """One environment variable: where its value goes and how it is read."""

    name: str
    field: str
    parse: Callable[[str], Any]
    meaning: str


VARIABLES: Final[tuple[Variable, ...]] = (
    Variable(
        "FLOWSPAN_STORE",
        "store",
        str,
        "where the store is: a file, a folder, a database for readers, or off",
    ),
    Variable("FLOWSPAN_STORE_MAX_MB", "store_max_mb", _positive, "largest size of the store, MiB"),
    Variable("FLOWSPAN_STORE_MAX_DAYS", "store_max_days", _positive, "how long runs are kept"),
    Variable(
        "FLOWSPAN_DETAIL",
        "detail",
        _choice("minimal", "normal", "full"),
        "minimal: runs, nodes, agents, model calls; normal: plus steps, transitions, prompts; "
        "full: everything that an engine's plan names",
    ),
    Variable(
        "FLOWSPAN_CONTENT",
        "content",
        _choice("off", "hash", "redacted", "full"),
        "whether prompts and answers are recorded, and how",
    ),
    Variable("FLOWSPAN_MAP", "map_path", str, "span map (TOML or YAML) for in-house code"),
    Variable("FLOWSPAN_PRICES", "prices_path", str, "price override file"),
    Variable(
        "FLOWSPAN_CLIENTS",
        "clients",
        _choice("own", "foreign"),
        "who owns model calls that other instrumentations see too: flowspan, or they",
    ),
    Variable(
        "FLOWSPAN_HTTP_HOSTS",
        "http_hosts",
        _hosts,
        "further hosts, as gateway.example.com,10.0.0.5:8080, where a plain HTTP request is a "
        "model call if its body has the form of one; * is every host",
    ),
    Variable(
        "FLOWSPAN_STREAM_USAGE",
        "stream_usage",
        _choice("estimate", "request"),
        "request: SDKs ask for the usage of a stream where the program does not, "
        "which adds a last chunk without choices to it",
    ),
    Variable(
        "FLOWSPAN_ESTIMATES",
        "estimates",
        _choice("bytes", "tiktoken"),
        "how tokens are counted that no provider said: four bytes to a token, or by tiktoken "
        "(the extra of that name), which may fetch its tables from the network",
    ),
    Variable("FLOWSPAN_EVENTS", "events", _choice("span", "log", "both"), "where events go"),
    Variable(
        "FLOWSPAN_LOOP_ROUNDS",
        "loop_rounds",
        _rounds,
        "after how many rounds of one node with the same inputs a loop is suspected; 0 for never",
    ),
    Variable(
        "FLOWSPAN_SHUTDOWN_SECONDS",
        "shutdown_seconds",
        _positive,
        "the longest that exit may wait for exporters, all signals together",
    ),
    Variable("FLOWSPAN_INVOCATION", "invocation", str, "set by flowspan run"),
)

_GENAI_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_GENAI_CONTENT_ON: Final = frozenset({"span_only", "span_and_event", "event_only", "true"})


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: The environment; the process's own unless given.

    Returns:
        Settings with a default wherever a value was absent or wrong.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    problems: list[str] = []
    for variable in VARIABLES:
        text = environ.get(variable.name, "").strip()
        if not text:
            continue
        try:
            values[variable.field] = variable.parse(text)
        except _RefusedError as expected:
            problems.append(
                f"{variable.name}={text!r} is not usable: expected {expected}; "
                f"the default ({_default(variable.field) or 'none'}) is used"
            )
    if str(values.get("store", "")).lower() in {"off", "false", "none"}:
        values.update(store=None, store_enabled=False)
    if "content" not in values and environ.get(_GENAI_CONTENT, "").lower() in _GENAI_CONTENT_ON:
        values["content"] = "full"
    return Settings(**values, problems=tuple(problems))


def _default(name: str) -> Any:
    return next(field.default for field in fields(Settings) if field.name == name)
