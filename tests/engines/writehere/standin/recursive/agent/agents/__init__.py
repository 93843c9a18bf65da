"""The agents, registered by being imported."""

import recursive.agent.agents.regular  # noqa: F401
