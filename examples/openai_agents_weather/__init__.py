"""OpenAI Agents: a desk that hands over to a forecaster."""
