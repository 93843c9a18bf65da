"""Environments are made by uv with what pip has been told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from conformance.pipsettings import for_uv

needs_pip = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="pip is not here")


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Variables of a user whose pip has been told nothing."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    return {}


def test_where_nothing_is_said_nothing_is_told(nothing: dict[str, str]) -> None:
    assert for_uv(nothing) == {}


def test_what_variables_tell_pip(nothing: dict[str, str]) -> None:
    """Lists of several are lists for uv."""
    told = {
        "PIP_INDEX_URL": "https://index.test/simple",
        "PIP_EXTRA_INDEX_URL": "https://one.test/simple  https://user:word@two.test/simple",
        "PIP_FIND_LINKS": "/wheels https://links.test",
        "PIP_TRUSTED_HOST": "one.test two.test:8443",
        "PIP_CERT": "/certificates.pem",
        "PIP_CLIENT_CERT": "/client.pem",
        "PIP_PROXY": "http://proxy.test:3128",
    }

    assert for_uv({**nothing, **told}) == {
        "UV_DEFAULT_INDEX": "https://index.test/simple",
        "UV_INDEX": "https://one.test/simple https://user:word@two.test/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,https://links.test",
        "UV_INSECURE_HOST": "one.test two.test:8443",
        "SSL_CERT_FILE": "/certificates.pem",
        "SSL_CLIENT_CERT": "/client.pem",
        "ALL_PROXY": "http://proxy.test:3128",
    }


@pytest.mark.parametrize(
    ("pips", "uvs"),
    [
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_INDEX_URL", "UV_INDEX_URL"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL"),
        ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
        ("PIP_TRUSTED_HOST", "UV_INSECURE_HOST"),
        ("PIP_CERT", "SSL_CERT_FILE"),
        ("PIP_PROXY", "HTTPS_PROXY"),
    ],
)
def test_what_uv_is_told_itself_stays(nothing: dict[str, str], pips: str, uvs: str) -> None:
    assert for_uv({**nothing, pips: "pip's", uvs: "uv's"}) == {}
    assert for_uv({**nothing, pips: "pip's", uvs: ""}) != {}  # says nothing, as to both of them


def test_the_strategy_that_uv_is_told_stays(nothing: dict[str, str]) -> None:
    told = {**nothing, "PIP_EXTRA_INDEX_URL": "x", "UV_INDEX_STRATEGY": "first-index"}

    assert for_uv(told)["UV_INDEX_STRATEGY"] == "first-index"


@needs_pip
def test_what_files_tell_pip(tmp_path: Path) -> None:
    """An installation's own section goes before all others', and a variable before any file."""
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://global.test/simple\ncert = /it's.pem\n"
        "[install]\nindex-url = https://install.test/simple\nfind-links =\n  /one\n  /two\n"
        "[download]\nfind-links = /another\n"
    )
    environ = {"PIP_CONFIG_FILE": str(file), "PIP_CERT": "/variable.pem", "HOME": str(tmp_path)}

    found = for_uv(environ)

    assert found["UV_DEFAULT_INDEX"] == "https://install.test/simple"
    assert found["UV_FIND_LINKS"] == "/one,/two"
    assert found["SSL_CERT_FILE"] == "/variable.pem"
