from __future__ import annotations

from pathlib import Path

import pytest

from flowspan.errors import StoreError
from flowspan.store.location import store_path


def test_without_a_setting_it_is_in_the_users_data_folder(tmp_path: Path) -> None:
    assert store_path() == tmp_path / "data" / "flowspan" / "traces.db"
    assert store_path("") == store_path()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("here.db", "here.db"),
        ("here.SQLite3", "here.SQLite3"),
        ("folder", "folder/traces.db"),
        ("folder.of.mine", "folder.of.mine/traces.db"),
        ("new/", "new/traces.db"),
        ("new.db/", "new.db/traces.db"),
        ("existing", "existing"),
        ("folder.db", "folder.db/traces.db"),
        ("a/../b.db", "b.db"),
    ],
)
def test_a_setting_names_a_file_or_a_folder(
    setting: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "existing").touch()
    (tmp_path / "folder.db").mkdir()
    monkeypatch.chdir(tmp_path)

    assert store_path(setting) == tmp_path / expected


def test_a_tilde_is_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert store_path("~/a.db") == tmp_path / "a.db"


@pytest.mark.parametrize("setting", ["postgres://host/db", "a\0b", "~nobody-of-that-name/a.db"])
def test_what_is_no_path_is_refused_in_one_sentence(setting: str) -> None:
    with pytest.raises(StoreError, match=r"^FLOWSPAN_STORE="):
        store_path(setting)
