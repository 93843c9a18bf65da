"""A workflow of pflow's: a batch at once, a loop, and a workflow inside it."""
