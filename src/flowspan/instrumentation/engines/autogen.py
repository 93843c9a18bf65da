"""AutoGen: runs, and who speaks next; agents and tools are spans of its own, adopted.

Its core has agents that get messages from a runtime: the message that begins is a run there.  The
runtime may be older than the run and serve several, so messages carry their place along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from flowspan.instrumentation.integration import Call, Conversation, Event, Integration, Patch
from flowspan.semconv import EVENT_ROUTE_TAKEN, ROUTE_ACTION, ROUTE_FROM, ROUTE_TO

_CHATS: Final = "autogen_agentchat.teams._group_chat"
_AGENT: Final = "autogen_agentchat.agents._base_chat_agent:BaseChatAgent"
_RUNTIME: Final = "autogen_core._single_threaded_agent_runtime"
_ENVELOPES: Final = ("SendMessageEnvelope", "PublishMessageEnvelope", "ResponseMessageEnvelope")

_WITHOUT_CHOICE: Final = frozenset({"RoundRobinGroupChatManager", "GraphFlowManager"})
"""Managers that go round, or whose edges decide."""


def _name(call: Call) -> str:
    return str(getattr(call.instance, "name", None) or type(call.instance).__name__)


def _conversation(call: Call) -> Conversation:
    """A team goes on where it stopped if it gets no task, or is handed one over."""
    task = call.kwargs.get("task")
    resumes = call.instance._initialized and (task is None or _is_handoff(task))  # noqa: SLF001 - no other door
    return Conversation(str(call.instance._team_id), bool(resumes))  # noqa: SLF001 - as above


def _is_handoff(message: Any) -> bool:
    return type(message).__name__ == "HandoffMessage"


def _chooses(manager: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> bool:
    return not any(each.__name__ in _WITHOUT_CHOICE for each in type(manager).__mro__)


def _choices(call: Call) -> Iterable[Event]:
    """A swarm hands over, or goes on with whom it had; other managers choose at every turn."""
    manager: Any = call.instance
    kinds = {each.__name__ for each in type(manager).__mro__}
    thread = manager._message_thread  # noqa: SLF001 - no other door
    last = thread[-1] if thread else None
    if "SwarmGroupChatManager" in kinds and not _is_handoff(last):
        return
    known = _is_handoff(last) or getattr(last, "source", None) in manager._participant_names  # noqa: SLF001 - as above
    origin = str(last.source) if last is not None and known else None
    for speaker in call.argument("speaker_names", 0, ()):
        yield Event(EVENT_ROUTE_TAKEN, {ROUTE_FROM: origin, ROUTE_TO: str(speaker)})


def _edges(call: Call, result: Any) -> Iterable[Event]:
    """An edge with a condition is a decision of the agent that it leaves."""
    edge = call.instance
    condition = edge.condition
    if result and (condition is not None or edge.condition_function is not None):
        attributes = {
            ROUTE_FROM: str(call.argument("message", 0).source),
            ROUTE_TO: str(edge.target),
            ROUTE_ACTION: condition if isinstance(condition, str) else None,
        }
        yield Event(EVENT_ROUTE_TAKEN, attributes)


def _message_type(call: Call) -> str:
    """A run of the core is called after whom its message is for."""
    receiver = call.argument("recipient", 1, call.argument("topic_id", 1))
    return str(receiver.type)


def _is_the_programs(_runtime: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether the program itself sends a message, and no team to its own."""
    message = args[0] if args else kwargs.get("message")
    return not type(message).__module__.startswith(_CHATS)


def _agent_type(call: Call) -> str:
    return str(call.instance.id.type)


_of_core: Final[WeakKeyDictionary[type, bool]] = WeakKeyDictionary()
"""What was found out of classes of agents: it is asked for each message."""


def _is_of_core(agent: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> bool:
    """Whether an agent is no part of a team, which has spans of its own."""
    kind = type(agent)
    found = _of_core.get(kind)
    if found is None:
        found = not any(each.__module__.startswith(_CHATS) for each in kind.__mro__)
        _of_core[kind] = found
    return found


def _envelope(call: Call, _result: Any) -> Any:
    return call.instance


def _received(call: Call, _result: Any) -> Any:
    return call.argument("message_envelope", 0)


_TEAMS: Final = Integration(
    "autogen",
    requires="autogen-agentchat>=0.6.4",
    engine="autogen",
    patches=(
        Patch(
            target=f"{_CHATS}._base_group_chat:BaseGroupChat.run_stream",
            label="run",
            kind="run",
            name=_name,
            conversation=_conversation,
        ),
        *(
            Patch(
                target=f"{_AGENT}.{method}",
                label="run",
                kind="run",
                name=_name,
                when=Call.is_outermost,
            )
            for method in ("run", "run_stream")
        ),
        Patch(
            target=f"{_CHATS}._base_group_chat_manager:BaseGroupChatManager._log_speaker_selection",
            label="speaker",
            glance=_chooses,
            before=_choices,
            detail="normal",
        ),
        Patch(
            target=f"{_CHATS}._graph._digraph_group_chat:DiGraphEdge.check_condition",
            label="edge",
            after=_edges,
            detail="normal",
        ),
    ),
)

_CORE: Final = Integration(
    "autogen-core",
    requires="autogen-core>=0.6.4",
    engine="autogen",
    patches=(
        *(
            Patch(
                target=f"{_RUNTIME}:SingleThreadedAgentRuntime.{method}",
                label="run",
                kind="run",
                name=_message_type,
                glance=_is_the_programs,
                when=Call.is_outermost,
            )
            for method in ("send_message", "publish_message")
        ),
        Patch(
            target="autogen_core._base_agent:BaseAgent.on_message",
            label="agent",
            kind="agent",
            name=_agent_type,
            glance=_is_of_core,
        ),
        *(
            Patch(
                target=f"{_RUNTIME}:{envelope}.__init__",
                label="sent",
                role="send",
                lazy=_envelope,
            )
            for envelope in _ENVELOPES
        ),
        *(
            Patch(
                target=f"{_RUNTIME}:SingleThreadedAgentRuntime.{method}",
                label="received",
                role="receive",
                lazy=_received,
            )
            for method in ("_process_send", "_process_publish", "_process_response")
        ),
    ),
)

INTEGRATIONS: Final = (_TEAMS, _CORE)
