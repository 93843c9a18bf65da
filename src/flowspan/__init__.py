"""flowspan: one connected, priced trace for each run of an agent workflow engine."""
