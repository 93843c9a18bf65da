"""pydantic-ai: an agent with a tool."""
