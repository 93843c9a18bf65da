"""What a node works on: what its parameters refer to, as it stands in the store.

The engine puts parameters together after the node has begun, from templates (``${draft.response}``)
whose first names are nodes, inputs of the workflow, the item of a batch or the turn of a loop.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from flowspan.instrumentation.integration import Call

_TEMPLATE: Final = re.compile(r"\$\{([^}]*)\}")
_FIRST_NAME: Final = re.compile(r"(?<![\w.\-\]])[A-Za-z_][\w-]*")
_MOST_PARAMETERS: Final = 200


def inputs(call: Call) -> Any:
    """The values that a node's templates refer to, by their first names."""
    config, shared = call.argument("config", 1), call.argument("shared", 2)
    run = call.enclosing
    known: dict[str, Any] = {} if run is None else run.notes.setdefault("names of inputs", {})
    names = known.get(config.node_id)
    if names is None:
        names = known[config.node_id] = tuple(sorted(set(_names(config))))
    return {name: shared.get(name) for name in names}


def _names(config: Any) -> Iterator[str]:
    template, loop = config.template_config, getattr(config, "loop_config", None)
    waiting: deque[Any] = deque([getattr(template, "template_params", None)])
    waiting += (getattr(loop, "carry", None), getattr(config.batch_config, "items_template", None))
    for _ in range(_MOST_PARAMETERS):
        if not waiting:
            break
        value = waiting.popleft()
        if isinstance(value, str):
            for expression in _TEMPLATE.findall(value):
                yield from _FIRST_NAME.findall(expression)
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
