"""A small recursive writer with the module paths and names of WriteHERE, for tests.

It keeps what makes the real engine hard to watch: an entry that runs as ``__main__``, agents and
prompts found by name, a status machine whose conditions are lambdas, repeated prompts, thread pools
in retrieval, a pickle of all nodes after every step, and an error swallowed per item.
"""

import recursive.agent.agents
import recursive.agent.prompts  # noqa: F401
