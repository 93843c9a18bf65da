"""Prompts of story mode."""

from __future__ import annotations

from recursive.agent.prompts.base import PromptTemplate, prompt_register

WRITTEN = "Written so far:\n{to_run_article}\nKnown:\n{to_run_same_graph_dependent}\n"
TASK = "The task:\n{to_run_task}\n"
ATOM = "Is it atomic or complex? <think></think><atomic_task_determination></...>"


@prompt_register.register_module()
class StoryWrtingNLWriterEN(PromptTemplate):
    def __init__(self) -> None:
        super().__init__("You write stories. Answer in <article></article>.", WRITTEN + TASK)


@prompt_register.register_module()
class StoryWritingNLWriteAtomEN(PromptTemplate):
    def __init__(self) -> None:
        super().__init__(ATOM, "{to_run_full_plan}\n" + TASK)


@prompt_register.register_module()
class StoryWritingNLWriteAtomWithUpdateEN(PromptTemplate):
    def __init__(self) -> None:
        super().__init__(ATOM + " and <goal_updating></goal_updating>", WRITTEN + TASK)


@prompt_register.register_module()
class StoryWritingNLPlanningEN(PromptTemplate):
    def __init__(self) -> None:
        super().__init__("Plan sub_tasks as JSON in <result></result>.", WRITTEN + TASK)


@prompt_register.register_module()
class StoryWrtingNLReasonerEN(PromptTemplate):
    def __init__(self) -> None:
        super().__init__("You design stories. Answer in <result></result>.", WRITTEN + TASK)


@prompt_register.register_module()
class StoryWritingReasonerFinalAggregate(PromptTemplate):
    def __init__(self) -> None:
        super().__init__(
            "Bring the designs together in <result></result>.", "{to_run_final_aggregate}\n" + TASK
        )
