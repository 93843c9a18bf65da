"""The search agent and its tools."""
