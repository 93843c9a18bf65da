"""Who owns the calls of a client, by what is installed and what the user says."""

from __future__ import annotations

from importlib.metadata import EntryPoint, version
from typing import Any

import pytest

from flowspan import foreign
from flowspan.instrumentation import discovery

GROUP = "opentelemetry_instrumentor"
THEIRS = EntryPoint("openai", "rival:X", GROUP)
HTTP = {"requests", "httpx", "httpx2", "aiohttp", "urllib3", "http.client"}
SWITCH = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


def installed(monkeypatch: pytest.MonkeyPatch, *found: EntryPoint) -> None:
    monkeypatch.setattr(foreign, "entry_points", lambda group: found if group == GROUP else ())


def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """No client traces itself."""
    monkeypatch.setattr(foreign, "_BUILT_IN", ())


def test_by_default_flowspan_owns() -> None:
    assert foreign.owner_of(THEIRS, "own", {}) == "openai"
    assert foreign.owned("own", {}) == {}
    assert not foreign.goes_first("own", {})


def test_names_are_spelled_in_several_ways() -> None:
    for name in ("google-genai", "google_genai", "Google_GenAI"):
        assert foreign.same_calls(EntryPoint(name, "rival:X", GROUP)) == "google-genai"
    assert foreign.same_calls(EntryPoint("flask", "flask:X", GROUP)) is None


def test_one_client_is_left_to_others_by_its_name() -> None:
    environ = {SWITCH: "flowspan-openai"}

    assert foreign.owner_of(THEIRS, "own", environ) is None
    assert foreign.goes_first("own", environ)
    assert foreign.owner_of(EntryPoint("anthropic", "rival:X", GROUP), "own", environ)


def test_all_clients_are_left_to_others_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    installed(monkeypatch, THEIRS, EntryPoint("flask", "flask:X", GROUP))

    assert foreign.owned("foreign", {}) == {"openai": "rival:X"}
    assert foreign.owner_of(THEIRS, "foreign", {}) is None
    assert foreign.goes_first("foreign", {})
    assert foreign.owned("foreign", {SWITCH: "openai"}) == {}
    assert foreign.owned("foreign", {SWITCH: "*"}) == {}


def test_one_that_cannot_be_loaded_owns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for another version of the client than the one that is here."""
    without(monkeypatch)

    class Theirs:
        name, value = "openai", "rival:X"

        class dist:  # noqa: N801 - as entry points have it
            name = "rival"

    answers: list[Any] = [object(), None]
    monkeypatch.setattr(foreign, "get_dist_dependency_conflicts", lambda _: answers.pop(0))
    monkeypatch.setattr(foreign, "entry_points", lambda **_: [Theirs])

    assert foreign.owned("foreign", {}) == {}
    assert foreign.owned("foreign", {}) == {"openai": "rival"}

    def broken(_: Any) -> None:
        raise ValueError("odd metadata")

    monkeypatch.setattr(foreign, "get_dist_dependency_conflicts", broken)
    assert foreign.owned("foreign", {}) == {"openai": "rival"}


def test_a_client_that_traces_itself_owns_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is switched off, or this version of it does not trace."""
    installed(monkeypatch)
    traces: Any = foreign._BuiltIn("openai", f"=={version('openai')}", "OPENAI_TRACES")
    asked = traces._replace(default="false")
    for built_in, environ, owns in (
        (traces, {}, True),
        (traces, {"OPENAI_TRACES": "False"}, False),
        (asked, {}, False),
        (asked, {"OPENAI_TRACES": "1"}, True),
        (traces._replace(versions="<1"), {}, False),
        (traces._replace(client="no-such-client"), {}, False),
    ):
        monkeypatch.setattr(foreign, "_BUILT_IN", (built_in,))
        assert bool(foreign.owned("foreign", environ)) is owns


def test_every_client_has_its_rivals_in_the_table() -> None:
    """An integration of a client, apart from HTTP, is beside at least one instrumentor's name."""
    clients = {
        one.name
        for one in discovery.built_in()
        if not one.engine and one.name not in HTTP and not one.name.endswith("-bodies")
    }

    assert clients - set(foreign._SAME_CALLS.values()) <= {"llm"}
