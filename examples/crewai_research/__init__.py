"""A research desk in CrewAI: a Flow whose crew looks up and writes, and whose editor judges."""
