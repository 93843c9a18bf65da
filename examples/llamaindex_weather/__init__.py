"""LlamaIndex: a workflow, and an agent in it."""
