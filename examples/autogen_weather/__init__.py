"""AutoGen: a team of two agents."""
