"""The production stack without containers: real programs, built from their Go modules."""
