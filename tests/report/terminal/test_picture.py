"""A report as a picture."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from flowspan.report.terminal import page
from flowspan.report.terminal.picture import picture
from flowspan.report.terminal.surface import Surface

SVG = "{http://www.w3.org/2000/svg}"


def _draw(trace: Any, run_row: Any) -> ET.Element:
    def lines(canvas: Surface) -> Any:
        return page.lines(run_row(), trace.tree(now=9), page.View(now_ns=0), canvas)

    return ET.fromstring(picture(lines, width=100, title="flowspan <show>"))  # noqa: S314 - our own


def test_picture(trace: Any, run_row: Any) -> None:
    """Names are text, bars are rectangles as wide as their time, and nothing comes from outside."""
    run = trace.span("run <x>", 0, 10, kind="run")
    trace.span("half", 0, 5, run, kind="node")
    trace.span("tenth", 9, 10, run, kind="node")
    trace.span("inside", 2.55, 7.45, run, kind="tool")

    drawn = _draw(trace, run_row)

    words = " ".join(element.text or "" for element in drawn.iter(f"{SVG}text"))
    assert "run\u00a0<x>" in words
    assert "flowspan\u00a0<show>" in words
    assert not any(sign in words for sign in "█━▐")
    bars = [bar for bar in drawn.iter(f"{SVG}rect") if bar.get("height") == "17"]
    widths = [float(bar.get("width") or 0) for bar in bars]
    assert 4.7 < max(widths) / min(widths) < 5.3
    text = ET.tostring(drawn, encoding="unicode").replace(SVG[1:-1], "")
    assert "http" not in text
    assert "url(" not in text.replace("url(#", "")


def test_open_bars_stay_text(trace: Any, run_row: Any) -> None:
    """A bar with a sign at its end is drawn as characters."""
    trace.span("run", 0, None)

    words = " ".join(element.text or "" for element in _draw(trace, run_row).iter(f"{SVG}text"))

    assert "█▶" in words
