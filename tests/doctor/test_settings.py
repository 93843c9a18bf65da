"""Which settings are in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowspan import config
from flowspan.doctor import settings


def _findings(**environ: str) -> list[Any]:
    return settings.findings(environ, config.load(environ))


def test_none() -> None:
    """Without settings there is nothing to say."""
    assert _findings(HOME="x") == []


def test_in_force() -> None:
    """A setting is shown with its value."""
    (found,) = _findings(FLOWSPAN_DETAIL="full")

    assert (found.level, found.subject, found.text) == ("ok", "FLOWSPAN_DETAIL", "full")


def test_password() -> None:
    """A password is not shown."""
    (found,) = _findings(FLOWSPAN_STORE="clickhouse://u:secret@host/otel")

    assert found.text == found.data["value"] == "clickhouse://u@host/otel"


def test_wrong_value() -> None:
    """A value that cannot be used is named, with the form expected."""
    (found,) = _findings(FLOWSPAN_DETAIL="loud")

    assert found.level == "problem"
    assert "FLOWSPAN_DETAIL='loud' is not usable: expected one of minimal" in found.text


@pytest.mark.parametrize(
    "hosts", ["http://gateway:8080", "gateway/v1", "gateway:http", "*.example.com", "one,two three"]
)
def test_hosts_that_no_request_can_have(hosts: str) -> None:
    """A host with a scheme, a path or a pattern would never be met."""
    (found,) = _findings(FLOWSPAN_HTTP_HOSTS=hosts)

    assert found.level == "problem"
    assert "expected hosts without scheme and path, as gateway.example.com" in found.text
    assert found.text.endswith("the default (none) is used")


def test_hosts() -> None:
    """Names, addresses and their ports, as requests have them."""
    hosts = "Gateway.Example.com, 10.0.0.5:8080, my_host, [::1]:8080, fe80::1, *"

    assert config.load({"FLOWSPAN_HTTP_HOSTS": hosts}).http_hosts == (
        "gateway.example.com",
        "10.0.0.5:8080",
        "my_host",
        "::1:8080",
        "fe80::1",
        "*",
    )


def test_missing_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for tiktoken without having it is told."""
    monkeypatch.setattr(settings, "find_spec", lambda _name: None)

    _, found = _findings(FLOWSPAN_ESTIMATES="tiktoken")

    assert (found.level, found.subject) == ("problem", "tiktoken")
    assert found.remedy == "pip install 'flowspan[tiktoken]'"


def test_misspelt() -> None:
    """A variable that is none of ours is pointed out."""
    detail, other = _findings(FLOWSPAN_DETIAL="full", FLOWSPAN_XYZZY="1")

    assert (detail.level, detail.remedy) == ("note", "did you mean FLOWSPAN_DETAIL?")
    assert other.remedy == "unset FLOWSPAN_XYZZY"


def test_map(tmp_path: Path) -> None:
    """A span map is read, and what is wrong with it is told."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[[rows]]\ntarget = "house:Flow.run"\nkind = "run"\n')
    bad.write_text("[[rows")

    assert _findings(FLOWSPAN_MAP=str(good))[-1].text == f"{good}: 1 rows"
    (_, found) = _findings(FLOWSPAN_MAP=str(bad))
    assert found.level == "problem"
    assert str(bad) in found.text
    assert found.remedy == ""


def test_map_with_one_wrong_row(tmp_path: Path) -> None:
    """The rows that can be used are used."""
    path = tmp_path / "map.toml"
    path.write_text(
        '[[rows]]\ntarget = "house:Flow.run"\nkind = "run"\n'
        '[[rows]]\ntarget = "house:Flow.stop"\nkind = "rnu"\n'
    )

    (wrong, right) = _findings(FLOWSPAN_MAP=str(path))[-2:]

    assert (wrong.level, wrong.remedy) == ("problem", "the other rows of the map work")
    assert right.text == f"{path}: 1 rows"


def test_prices(tmp_path: Path) -> None:
    """Price files are read, and what is wrong with them is told."""
    bad = tmp_path / "prices.json"
    bad.write_text("{")

    found = _findings(FLOWSPAN_PRICES=str(bad))[-1]

    assert found.level == "problem"
    assert str(bad) in found.text


def test_good_prices(tmp_path: Path) -> None:
    """A price file that can be used is named."""
    good = tmp_path / "prices.json"
    good.write_text('{"prices": []}')

    found = _findings(FLOWSPAN_PRICES=str(good))[-1]

    assert (found.level, found.text) == ("ok", str(good))
