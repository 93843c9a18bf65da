"""A program of the engine's, which knows nothing of flowspan."""

from relay import Race, Runner

print(Race("final", [Runner("ana"), Runner("bo", clumsy=True)]).start({}))
