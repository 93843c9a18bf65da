"""Agents with tools."""
