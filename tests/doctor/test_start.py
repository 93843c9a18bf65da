"""Which distribution would be chosen."""

from __future__ import annotations

from typing import Any

from flowspan.doctor.start import findings


def _of(environ: dict[str, str], subject: str) -> Any:
    return next(found for found in findings(environ) if found.subject == subject)


def test_flowspan_alone() -> None:
    """Where flowspan is the only distribution it is chosen."""
    assert [found.level for found in findings({})] == ["ok", "ok", "ok"]
    assert _of({}, "distro").text == "flowspan"
    assert _of({}, "flowspan").data["python"].startswith("3.")


def test_named() -> None:
    """Where it is named it is chosen."""
    assert _of({"OTEL_PYTHON_DISTRO": "flowspan"}, "distro").level == "ok"


def test_another_one_beside_it(install: Any) -> None:
    """Of two distributions OpenTelemetry takes any; ``flowspan run`` does not leave it to that."""
    install("rival", entry_points=(("opentelemetry_distro", "rival", "rival:Distro"),))

    found = _of({}, "distro")

    assert found.level == "note"
    assert "may as well start rival" in found.text
    assert "OTEL_PYTHON_DISTRO=flowspan" in found.remedy
    assert _of({"OTEL_PYTHON_DISTRO": "flowspan"}, "distro").level == "ok"


def test_another_one_is_named() -> None:
    """Another distribution that is named wins under opentelemetry-instrument."""
    found = _of({"OTEL_PYTHON_CONFIGURATOR": "rival"}, "configurator")

    assert found.level == "note"
    assert "OTEL_PYTHON_CONFIGURATOR=rival" in found.text


def test_switched_off() -> None:
    """OpenTelemetry switched off is the first thing to know."""
    found = _of({"OTEL_SDK_DISABLED": " True "}, "OTEL_SDK_DISABLED")

    assert found.level == "problem"


def test_not_installed(monkeypatch: Any) -> None:
    """Without entry points nothing starts flowspan."""
    monkeypatch.setattr("sys.path", [])

    assert _of({}, "distro").level == "problem"
    assert _of({}, "flowspan").data["opentelemetry"] == "none"
