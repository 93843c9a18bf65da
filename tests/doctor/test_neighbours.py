"""Other instrumentations."""

from __future__ import annotations

from typing import Any

from flowspan.config import Settings
from flowspan.doctor.neighbours import findings


def _install(install: Any, name: str) -> None:
    install(f"rival-{name}", entry_points=(("opentelemetry_instrumentor", name, "rival:X"),))


def test_nobody_else() -> None:
    """Instrumentations that record no model calls are no neighbours."""
    assert findings({}, Settings()) == []


def test_left_out(install: Any) -> None:
    """One that flowspan's distribution does not load is said to be left out."""
    _install(install, "openai")

    (found,) = findings({}, Settings())

    assert (found.level, found.subject, found.data) == ("ok", "openai", {"loaded": False})
    assert found.text.startswith("rival-openai is not loaded")


def test_around(install: Any) -> None:
    """One that records calls of clients which flowspan owns is good to know of."""
    _install(install, "langchain")

    (found,) = findings({}, Settings())

    assert (found.level, found.data) == ("note", {"loaded": True})
    assert "counted once" in found.text


def test_owner(install: Any) -> None:
    """Where the user lets others own, one of a client owns its calls."""
    _install(install, "openai")

    (found,) = findings({}, Settings(clients="foreign"))

    assert (found.level, found.data) == ("ok", {"loaded": True, "owns": "openai"})
    assert found.text.startswith("rival-openai owns the calls of openai")


def test_disabled(install: Any) -> None:
    """One that is disabled is none."""
    _install(install, "langchain")

    assert findings({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "x, langchain"}, Settings()) == []
    assert findings({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}, Settings()) == []


def test_harmless(install: Any) -> None:
    """One for something else is none."""
    _install(install, "flask")

    assert findings({}, Settings()) == []
