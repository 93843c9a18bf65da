"""A newsroom in LangGraph: a plan, researchers at once, a writer, and an editor who is asked."""
