"""Agents and their prompts."""
