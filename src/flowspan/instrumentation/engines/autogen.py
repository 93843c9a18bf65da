"""AutoGen: the runs of teams; agents and tools are spans of its own, adopted."""

from __future__ import annotations

from typing import Final

from flowspan.instrumentation.integration import Call, Integration, Patch


def _name(call: Call) -> str:
    return str(getattr(call.instance, "name", None) or type(call.instance).__name__)


INTEGRATION: Final = Integration(
    "autogen",
    requires="autogen-agentchat>=0.7.5",
    engine="autogen",
    patches=(
        Patch(
            target="autogen_agentchat.teams._group_chat._base_group_chat:BaseGroupChat.run_stream",
            label="run",
            kind="run",
            name=_name,
        ),
    ),
)
