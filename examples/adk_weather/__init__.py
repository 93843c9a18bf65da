"""Google ADK: an agent with a tool."""
