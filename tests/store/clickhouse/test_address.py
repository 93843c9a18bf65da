"""The address of a database, as a user writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowspan.errors import StoreError
from flowspan.store import location
from flowspan.store.clickhouse.address import Address, is_address, parse, without_password

PASSWORD = "s@cret"  # noqa: S105 - of nobody


@pytest.mark.parametrize(
    ("setting", "address"),
    [
        ("clickhouse://", Address()),
        ("clickhouse:///otel", Address(database="otel")),
        ("CLICKHOUSE://Host", Address(host="host")),
        (
            "clickhouse://reader:s%40cret@ch.example:8123/otel",
            Address(
                host="ch.example", port=8123, database="otel", user="reader", password=PASSWORD
            ),
        ),
        ("clickhouse://[::1]:8123/otel/", Address(host="::1", port=8123, database="otel")),
        (
            "clickhouse://host/otel?table=spans_in&secure=true",
            Address(host="host", database="otel", table="spans_in", options={"secure": "true"}),
        ),
    ],
)
def test_an_address_says_where_and_who(setting: str, address: Address) -> None:
    assert is_address(setting)
    assert parse(setting) == address


def test_an_address_does_not_show_its_password() -> None:
    address = parse("clickhouse://reader:secret@host:8123/otel?secure=true")

    assert str(address) == "clickhouse://reader@host:8123/otel"
    assert "secret" not in repr(address)
    assert str(parse("clickhouse://[::1]/otel")) == "clickhouse://[::1]/otel"


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("clickhouse://u:p/a@ss@host/db", "clickhouse://u@host/db"),
        ("clickhouse://u:pass@host/db", "clickhouse://u@host/db"),
        ("postgres://u:pass@host/db", "postgres://u@host/db"),
        ("clickhouse://u@host:8123/db", "clickhouse://u@host:8123/db"),
        ("/a/b:c@d/traces.db", "/a/b:c@d/traces.db"),
    ],
)
def test_any_setting_is_shown_without_its_password(setting: str, shown: str) -> None:
    assert without_password(setting) == shown


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("clickhouse://u:secret@host:many/otel", "expected clickhouse://USER@HOST:8123/DATABASE"),
        ("clickhouse://u:secret@host:9000/otel", "usually 8123"),
        ("clickhouse://u:secret@host:9440/otel", "usually 8443, with [?]secure=true"),
        ("clickhouse://[::1/otel", "is not the address of a database"),
    ],
)
def test_what_is_no_address_is_refused_in_one_sentence(setting: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as refused:
        parse(setting)
    assert "secret" not in str(refused.value)


def test_a_place_is_a_file_or_an_address(tmp_path: Path) -> None:
    assert location.place(str(tmp_path / "a.db")) == tmp_path / "a.db"
    assert location.place("clickhouse://host/otel") == Address(host="host", database="otel")
    assert location.place(None) == location.store_path(None)


def test_a_program_has_no_store_in_a_database() -> None:
    with pytest.raises(StoreError, match=r"for readers.*OTEL_EXPORTER_OTLP_ENDPOINT") as refused:
        location.store_path("clickhouse://u:secret@host/otel")
    assert "secret" not in str(refused.value)


def test_a_password_of_another_sort_of_address_is_not_shown_either() -> None:
    with pytest.raises(StoreError) as refused:
        location.store_path("postgres://u:secret@host/db")
    assert "secret" not in str(refused.value)
