"""Shared by all tests: errors of telemetry are raised, and nothing of the user's is touched."""

from __future__ import annotations

import gc
import os
import signal
import ssl
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from conformance.discovery import absent, drivers
from flowspan import safety
from flowspan.instrumentation import discovery

settings.register_profile(
    "flowspan", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("flowspan")

_PLACES = ("FLOWSPAN_WRITEHERE", "FLOWSPAN_PFLOW", "FLOWSPAN_STACK")
"""Where tests that need them find other people's programs: no settings of flowspan's."""


def pytest_report_header() -> str:
    """Which clients the conformance tests are asked of; nothing is left out in silence."""
    lacking = absent()
    here = ", ".join(name for name in drivers() if name not in lacking)
    missing = "; ".join(f"{name} (no {', '.join(of)})" for name, of in lacking.items())
    return f"clients: {here or 'none'}" + (f"\nnot here: {missing}" if missing else "")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting imports stays: no collection of garbage looks at it again.

    Many tests collect garbage to see what is let go, and each would walk through all engines and
    clients, which takes half a second.  What a test makes is looked at as ever.
    """
    gc.disable()
    found = yield
    gc.enable()
    gc.collect()
    gc.freeze()
    return found


@pytest.fixture(scope="session", autouse=True)
def _no_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody is called by TLS: the authorities' certificates, hundreds, are not read.

    Each client of a test would read them, for 20 ms; so would clients of processes that it starts.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        patch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **__: None)
        patch.setattr(ssl.SSLContext, "load_default_certs", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """A job in the background ignores Ctrl-C, and so would all programs that its tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    """What production would swallow fails a test."""
    former = safety.set_strict(strict=True)
    safety.reset()
    yield
    safety.set_strict(former)


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine's reaches a test, and no test writes into the user's folders."""
    for name in tuple(os.environ):
        if name.startswith(("OTEL_", "FLOWSPAN_")) and not name.startswith(_PLACES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Disables flowspan's own integrations but those that are named.

    A doctor imports whatever they would patch: with all clients and engines that takes seconds.
    """

    def leave(*names: str) -> None:
        others = [f"flowspan-{one.name}" for one in discovery.built_in() if one.name not in names]
        monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", ",".join(others))

    return leave
