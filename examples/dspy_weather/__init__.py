"""DSPy: a module that uses a tool."""
