"""What an example needs is found without importing any of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from examples import offline


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An example, and packages around: one refuses to be imported, two are namespaces."""
    files = {
        "refusing/__init__.py": "raise AttributeError",
        "refusing/part.py": "",
        "wide/inner/leaf/__init__.py": "",
        "trip/main.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(offline, "FOLDER", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "trip" / "main.py"


@pytest.mark.parametrize(
    ("module", "there"),
    [
        ("refusing", True),
        ("refusing.part", True),
        ("refusing.other", False),
        ("refusing.part.other", False),
        ("wide.inner.leaf", True),
        ("wide.inner.other", False),
        ("nowhere", False),
        ("nowhere.at_all", False),
        ("os.path", True),
        ("xml.dom.minidom", True),
    ],
)
def test_what_an_example_lacks(example: Path, module: str, *, there: bool) -> None:
    example.write_text(f"from {module} import anything\n")

    assert offline.missing("trip") == ([] if there else [module])
    assert not {"refusing", "wide"} & set(sys.modules)
