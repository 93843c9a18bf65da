"""Haystack: a pipeline with an agent."""
