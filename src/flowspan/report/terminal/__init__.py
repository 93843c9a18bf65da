"""Reports for a terminal, or for whatever stands in its place."""
