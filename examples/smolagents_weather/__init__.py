"""smolagents: an agent that manages another one."""
