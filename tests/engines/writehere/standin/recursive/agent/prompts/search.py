"""The prompt of the search agent."""

from __future__ import annotations

from recursive.agent.prompts.base import PromptTemplate, prompt_register


@prompt_register.register_module()
class SearchAgentENPrompt(PromptTemplate):
    def __init__(self) -> None:
        super().__init__(
            "You search. Answer in <observation></observation> and, as a JSON list, in "
            "<current_turn_search_querys></current_turn_search_querys>.",
            "Find: {to_run_question}\nThis is round {to_run_turn}\n{to_run_action_history}\n"
            "The search engine returned:\n{to_run_tool_result}",
        )
