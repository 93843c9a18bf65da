"""The prompts, registered by being imported."""

import recursive.agent.prompts.report
import recursive.agent.prompts.search
import recursive.agent.prompts.story  # noqa: F401
