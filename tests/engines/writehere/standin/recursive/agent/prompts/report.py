"""Prompts of report mode."""

from __future__ import annotations

from recursive.agent.prompts.base import PromptTemplate, prompt_register
from recursive.agent.prompts.story import ATOM, TASK, WRITTEN


@prompt_register.register_module()
class ReportWriter(PromptTemplate):
    def __init__(self) -> None:
        super().__init__("You write reports. Answer in <article></article>.", WRITTEN + TASK)


@prompt_register.register_module()
class ReportAtom(PromptTemplate):
    def __init__(self) -> None:
        super().__init__(ATOM, "Today is {today_date}.\n" + TASK)


@prompt_register.register_module()
class ReportAtomWithUpdate(PromptTemplate):
    def __init__(self) -> None:
        super().__init__(ATOM + " and <goal_updating></goal_updating>", WRITTEN + TASK)


@prompt_register.register_module()
class ReportPlanning(PromptTemplate):
    def __init__(self) -> None:
        super().__init__("Plan sub_tasks as JSON in <result></result>.", WRITTEN + TASK)


@prompt_register.register_module()
class ReportReasoner(PromptTemplate):
    def __init__(self) -> None:
        super().__init__("You analyse. <think></think> <result></result>.", WRITTEN + TASK)


@prompt_register.register_module()
class ReportSearchOnlyUpdate(PromptTemplate):
    def __init__(self) -> None:
        super().__init__("", "Correct the goal: <goal_updating></goal_updating>\n" + TASK)


@prompt_register.register_module()
class MergeSearchResultVFinal(PromptTemplate):
    def __init__(self) -> None:
        super().__init__(
            "Merge what was found. Answer in <result></result>.",
            "For {to_run_outer_write_task}:\n{to_run_search_results}\n{to_run_search_task}",
        )
