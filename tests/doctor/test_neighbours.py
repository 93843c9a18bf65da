"""Other instrumentations."""

from __future__ import annotations

from typing import Any

from flowspan.doctor.neighbours import findings


def _install(install: Any, name: str) -> None:
    install(f"rival-{name}", entry_points=(("opentelemetry_instrumentor", name, "rival:X"),))


def test_nobody_else() -> None:
    """Instrumentations that record no model calls are no neighbours."""
    assert findings({}) == []


def test_left_out(install: Any) -> None:
    """One that flowspan's distribution does not load is said to be left out."""
    _install(install, "openai")

    (found,) = findings({})

    assert (found.level, found.subject, found.data) == ("ok", "openai", {"loaded": False})
    assert found.text.startswith("rival-openai is not loaded")


def test_counted_twice(install: Any) -> None:
    """One that would record the same calls once more is a problem, with its remedy."""
    _install(install, "langchain")

    (found,) = findings({})

    assert found.level == "problem"
    assert found.remedy == "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=langchain"


def test_disabled(install: Any) -> None:
    """One that is disabled is none."""
    _install(install, "langchain")

    assert findings({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "x, langchain"}) == []
    assert findings({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}) == []


def test_harmless(install: Any) -> None:
    """One for something else is none."""
    _install(install, "flask")

    assert findings({}) == []
