"""A graph that a YAML file describes: agents of three providers, some of them at once."""
