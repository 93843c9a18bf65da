"""AG2: an agent with a tool."""
