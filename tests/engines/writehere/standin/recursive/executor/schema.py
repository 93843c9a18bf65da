"""What a tool gives back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class ActionStatusCode(IntEnum):
    SUCCESS = 0
    ARGS_ERROR = -1001
    API_ERROR = -1002


@dataclass
class ActionReturn:
    args: Any = None
    type: str | None = None
    result: Any = None
    errmsg: str | None = None
    state: ActionStatusCode = ActionStatusCode.SUCCESS
