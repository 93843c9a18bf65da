"""CrewAI: crews, their tasks and agents, agents alone, and Flows.

::

    invoke_workflow ReportFlow                 flows.py    a Flow …
    ├─ run_step gather                         flows.py    … its methods; routers say where to
    │  └─ invoke_workflow crew                 crews.py    a crew, alone or inside a flow
    │     ├─ run_step research                 crews.py    a task, with what its guardrails repeat
    │     │  └─ invoke_agent Researcher        agents.py   an agent, with the attempts of its own
    │     │     ├─ chat gpt-4o                             (clients: the request itself)
    │     │     └─ execute_tool search         toolcalls.py
    │     └─ run_step write
    └─ run_step review
       └─ invoke_agent Editor                  agents.py   an agent without a crew

What is patched is where the engine runs things, not its event bus: the handlers of that run on
threads of their own, where nothing that the agent calls would find them.  Every agent is run by a
Flow of the engine's own, which makes no spans.
"""

from typing import Final

from flowspan.instrumentation.engines.crewai import (
    agents,
    chats,
    crews,
    flows,
    models,
    toolcalls,
)
from flowspan.instrumentation.integration import Integration

INTEGRATION: Final = Integration(
    "crewai",
    requires="crewai>=1.0",
    engine="crewai",
    patches=(
        *crews.PATCHES,
        *agents.PATCHES,
        *toolcalls.PATCHES,
        *flows.PATCHES,
        *models.PATCHES,
        *chats.PATCHES,
    ),
)
