"""``with`` blocks that a program declares: a call that lasts as long as the block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowspan import semconv
from flowspan.errors import FlowspanError
from flowspan.instrumentation import frame, streams
from flowspan.instrumentation.decorators import handles
from flowspan.instrumentation.decorators.rows import DECORATORS, DETAIL_OF_KIND
from flowspan.instrumentation.decorators.sayings import names_of
from flowspan.instrumentation.integration import Attributes, Call, Patch
from flowspan.instrumentation.invocation import Invocation
from flowspan.instrumentation.machine import Site
from flowspan.instrumentation.opening import begin, completed, failed
from flowspan.instrumentation.prompts import PromptRemark
from flowspan.safety import swallow

if TYPE_CHECKING:
    from flowspan.instrumentation.attachment import Attached
    from flowspan.instrumentation.decorators.handles import Handle
    from flowspan.instrumentation.decorators.live import Connection
    from flowspan.instrumentation.decorators.marks import Mark
    from flowspan.instrumentation.remarks import Remark


class Block(NamedTuple):
    """A block under way."""

    seen: Invocation | Remark
    attached: Attached | None
    handle: Handle


def entered(mark: Mark, live: Connection) -> Block | None:
    """Begin a block; ``None`` leaves it alone.

    Raises:
        FlowspanError: A hook refused it, as the user asked it to.
    """
    try:
        site = _site(mark, live)
        seen = begin(site, entered, None, (mark,), {})
        if seen is None:
            return None
        own = seen if isinstance(seen, Invocation) else frame.living(frame.current())
        return Block(seen, seen.enter(), handles.of(own))
    except FlowspanError:
        raise
    except Exception as error:  # noqa: BLE001 - the guard: the block goes on unseen
        swallow(f"decorators {mark.shown}", error)
        return None


def left(blocks: list[Block], error: BaseException | None) -> None:
    """End a block: of those of one mark that are under way, the one that is current here."""
    index = next((at for at, each in enumerate(blocks) if _is_current(each.seen)), -1)
    seen, attached, _ = blocks.pop(index)
    if attached is not None:
        attached.detach()
    if error is None:
        completed(seen, None)
    elif isinstance(error, GeneratorExit):  # dropped: perhaps inside the garbage collector
        streams.end_later(seen.abandon)
    else:
        failed(seen, error)


def _is_current(seen: Invocation | Remark) -> bool:
    return seen.is_current() if isinstance(seen, PromptRemark) else seen is frame.current()


# --- rows -------------------------------------------------------------------------------------


def _site(mark: Mark, live: Connection) -> Site:
    quiet = names_of(mark, mark.options.get("quiet", ()))
    watches = mark.options.get("state") is not None
    site = live.sites.get((mark.kind, quiet, watches))
    if site is None:
        patch = _PROMPT if mark.kind == "prompt" else _patch(mark.kind, quiet, watches=watches)
        site = live.sites[mark.kind, quiet, watches] = Site(live.machine, DECORATORS, patch)
    return site


def _patch(kind: Any, quiet: tuple[str, ...], *, watches: bool) -> Patch:
    return Patch(
        target=f"flowspan:{kind}",
        kind=kind,
        label=kind,
        name=lambda call: call.args[0].name,
        request=_attributes,
        state=_option("state") if watches else None,
        inputs=_option("inputs"),
        quiet=quiet,
        detail=DETAIL_OF_KIND.get(kind, "normal"),
    )


def _attributes(call: Call) -> Attributes:
    mark = call.args[0]
    options = mark.options
    numbered = {semconv.NODE_ID: options.get("id"), semconv.ATTEMPT: options.get("attempt")}
    return {**numbered, **(mark.attributes or {}), **mark.values}


def _option(name: str) -> Any:
    return lambda call: call.args[0].options.get(name)


def _selected(call: Call) -> Attributes:
    mark = call.args[0]
    options = mark.options
    return {
        semconv.PROMPT_NAME: mark.name,
        semconv.PROMPT_VERSION: options["version"],
        semconv.PROMPT_REASON: options["reason"],
        semconv.PROMPT_CANDIDATES: options["candidates"],
    }


_PROMPT: Final = Patch(target="flowspan:prompt", label="prompt", prompt=_selected, detail="normal")
