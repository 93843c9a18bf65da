"""A help desk on a small engine of its own, which knows nothing of flowspan."""
