"""Tells what the program's main module has defined so far, as nothing tells when it is complete.

``python agent.py`` defines its functions and then calls them, in one go: no import ends in between.
So the lines of the module itself are followed, up to the end of its last definition, and before
each of them whoever waits may look.  Inside functions nothing is followed.

From Python 3.12 on this costs nothing but these lines (``sys.monitoring``).  Before, a trace
function is set meanwhile, which makes what the module imports about a third slower to import; where
somebody else has set one, a debugger say, nothing is followed.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from flowspan.safety import guarded

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType, ModuleType

    Look = Callable[[ModuleType], bool]

MAIN: Final = "__main__"
_IN_WORKERS: Final = "__mp_main__"
"""What the main module is called where a worker process makes it a second time."""

_WORKER: Final = "--multiprocessing-fork" in sys.orig_argv
_monitoring: Any = getattr(sys, "monitoring", None)

_MODULE: Final = "<module>"
_FREE_TOOLS: Final = (4, 3)
"""Ids of ``sys.monitoring`` that no kind of tool has reserved."""


class MainWatch:
    """Follows the main module until it has defined everything.

    Args:
        look: Asked before each line of the module; true once there is nothing more to wait for.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._last = 0
        self._over = False
        self._way: _Monitoring | _Tracing = (
            _Tracing(self) if _monitoring is None else _Monitoring(self)
        )

    def start(self) -> None:
        """Begin, whether the module has begun or not."""
        main, frame = sys.modules.get(MAIN), _running()
        if main is None or guarded("main module", self._look, main):
            self._over = True
        elif frame is not None:
            self.found(frame)
        elif "__file__" not in vars(main) or _WORKER:  # it has not begun
            self._way.await_module()

    def found(self, frame: FrameType) -> None:
        """The module begins, or is under way."""
        self._last = _end_of_definitions(frame.f_code)
        if frame.f_lineno <= self._last:
            self._way.follow(frame)
        else:  # all that it defines is there: somebody calls us from its end
            self.stop()

    def line(self, line: int) -> None:
        """The module is about to run a line."""
        main = _module_of(_running())
        done = main is None or guarded("main module", self._look, main) is not False
        if done or line > self._last:
            self.stop()

    def stop(self) -> None:
        """Follow it no more."""
        if not self._over:
            self._over = True
            self._way.stop()


class _Monitoring:
    """By ``sys.monitoring``."""

    def __init__(self, watch: MainWatch) -> None:
        self._watch = watch
        self._tool: int | None = None
        self._code: CodeType | None = None

    def await_module(self) -> None:
        if self._take_tool():
            events = _monitoring.events
            _monitoring.register_callback(self._tool, events.PY_START, self._started)
            _monitoring.set_events(self._tool, events.PY_START)

    def follow(self, frame: FrameType) -> None:
        if self._tool is None and not self._take_tool():
            return
        events = _monitoring.events
        self._code = frame.f_code
        _monitoring.register_callback(self._tool, events.LINE, self._line)
        _monitoring.set_events(self._tool, 0)
        _monitoring.set_local_events(self._tool, self._code, events.LINE)

    def stop(self) -> None:
        if self._tool is None:
            return
        _monitoring.set_events(self._tool, 0)
        if self._code is not None:
            _monitoring.set_local_events(self._tool, self._code, 0)
        _monitoring.free_tool_id(self._tool)
        self._tool = self._code = None

    def _take_tool(self) -> bool:
        free = [tool for tool in _FREE_TOOLS if _monitoring.get_tool(tool) is None]
        if free:
            self._tool = free[0]
            _monitoring.use_tool_id(self._tool, "flowspan")
        return bool(free)

    def _started(self, code: CodeType, _offset: int) -> None:
        frame = sys._getframe(1)  # noqa: SLF001 - the documented way to the callers
        if code.co_name == _MODULE and _is_main(frame):
            self._watch.found(frame)

    def _line(self, _code: CodeType, line: int) -> Any:
        self._watch.line(line)


class _Tracing:
    """By a trace function."""

    def __init__(self, watch: MainWatch) -> None:
        self._watch = watch
        self._frame: FrameType | None = None

    def await_module(self) -> None:
        if sys.gettrace() is None:
            sys.settrace(self._call)

    def follow(self, frame: FrameType) -> None:
        if sys.gettrace() is None:
            sys.settrace(self._call)
            frame.f_trace = self._line
        self._frame = frame

    def stop(self) -> None:
        if sys.gettrace() == self._call:
            sys.settrace(None)
        if self._frame is not None and self._frame.f_trace == self._line:
            self._frame.f_trace = None
        self._frame = None

    def _call(self, frame: FrameType, _event: str, _value: Any) -> Any:
        if self._frame is None and frame.f_code.co_name == _MODULE and _is_main(frame):
            self._watch.found(frame)
        return self._line if self._frame is frame else None

    def _line(self, frame: FrameType, event: str, _value: Any) -> Any:
        if event == "line":
            self._watch.line(frame.f_lineno)
        return self._line if self._frame is frame else None


def _is_main(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == (_IN_WORKERS if _WORKER else MAIN)


def _running() -> FrameType | None:
    """The frame of the main module, if it is under way in this thread."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as above
    while frame is not None and not (frame.f_code.co_name == _MODULE and _is_main(frame)):
        frame = frame.f_back
    return frame


def _module_of(frame: FrameType | None) -> ModuleType | None:
    if frame is None:
        return None
    found = sys.modules.get(str(frame.f_globals.get("__name__")))
    return found if found is not None and vars(found) is frame.f_globals else None


def _end_of_definitions(code: CodeType) -> int:
    """The last line of the last function or class that a module itself defines."""
    inner = [one for one in code.co_consts if hasattr(one, "co_lines")]
    lines = [
        line
        for one in inner
        if not one.co_name.startswith("<")
        for _, _, line in one.co_lines()
        if line is not None
    ]
    return max(lines, default=0)
