"""What the two modes differ in."""

from __future__ import annotations

from typing import Any

ACTIONS = {
    "plan": ["UpdateAtomPlanningAgent", {}],
    "update": ["DummyRandomUpdateAgent", {}],
    "execute": ["SimpleExcutor", {}],
    "final_aggregate": ["FinalAggregateAgent", {}],
    "prior_reflect": ["DummyRandomPriorReflectionAgent", {}],
    "planning_post_reflect": ["DummyRandomPlanningPostReflectionAgent", {}],
    "execute_post_reflect": ["DummyRandomExecutorPostReflectionAgent", {}],
}
TYPES = {"COMPOSITION": "write", "REASONING": "think", "RETRIEVAL": "search"}
PLAIN = ["id", "dependency", "goal", "task_type"]
ATOM_PARTS = {
    "atom_think": ["think"],
    "atom_result": ["atomic_task_determination"],
    "update_result": ["goal_updating"],
}


def _common() -> dict[str, Any]:
    return {
        "language": "en",
        "action_mapping": ACTIONS,
        "task_type2tag": TYPES,
        "tag2task_type": {word: tag for tag, word in TYPES.items()},
        "require_keys": {
            "COMPOSITION": [*PLAIN, "length"],
            "RETRIEVAL": PLAIN,
            "REASONING": PLAIN,
        },
    }


def _composition(model: str, *, writer: str, atom: str, planning: str) -> dict[str, Any]:
    careful = {"model": model, "temperature": 0.1}
    return {
        "execute": {
            "prompt_version": writer,
            "llm_args": {"model": model, "temperature": 0.3},
            "parse_arg_dict": {"result": ["article"]},
        },
        "atom": {
            "update_diff": True,
            "without_update_prompt_version": atom.format(""),
            "with_update_prompt_version": atom.format("WithUpdate"),
            "llm_args": careful,
            "parse_arg_dict": ATOM_PARTS,
            "atom_result_flag": "atomic",
        },
        "planning": {
            "prompt_version": planning,
            "llm_args": careful,
            "parse_arg_dict": {"plan_think": ["think"], "plan_result": ["result"]},
        },
        "update": {},
        "final_aggregate": {},
    }


def story(model: str) -> dict[str, Any]:
    return {
        **_common(),
        "COMPOSITION": _composition(
            model,
            writer="StoryWrtingNLWriterEN",
            atom="StoryWritingNLWriteAtom{}EN",
            planning="StoryWritingNLPlanningEN",
        ),
        "RETRIEVAL": {"all_atom": True},
        "REASONING": {
            "execute": {
                "prompt_version": "StoryWrtingNLReasonerEN",
                "llm_args": {"model": model, "temperature": 0.3},
                "parse_arg_dict": {"result": ["result"]},
            },
            "atom": {"use_candidate_plan": True},
            "final_aggregate": {
                "prompt_version": "StoryWritingReasonerFinalAggregate",
                "mode": "llm",
                "parse_arg_dict": {"result": ["result"]},
            },
        },
    }


def report(model: str, today_date: str) -> dict[str, Any]:
    composition = _composition(
        model, writer="ReportWriter", atom="ReportAtom{}", planning="ReportPlanning"
    )
    composition["atom"]["force_atom_layer"] = 2
    return {
        **_common(),
        "today_date": today_date,
        "COMPOSITION": composition,
        "RETRIEVAL": {
            "execute": {
                "react_agent": True,
                "prompt_version": "SearchAgentENPrompt",
                "llm_args": {"model": model},
                "react_parse_arg_dict": {
                    "observation": ["observation"],
                    "search_querys": ["current_turn_search_querys"],
                },
                "temperature": 0.2,
                "max_turn": 3,
                "llm_merge": True,
                "browser": {"selector_model": "gpt-4o-mini", "summarizer_model": "gpt-4o-mini"},
            },
            "search_merge": {
                "prompt_version": "MergeSearchResultVFinal",
                "llm_args": {"model": model},
                "parse_arg_dict": {"result": ["result"]},
            },
            "atom": {
                "prompt_version": "ReportSearchOnlyUpdate",
                "llm_args": {"model": model},
                "parse_arg_dict": {"atom_think": ["think"], "update_result": ["goal_updating"]},
                "all_atom": True,
                "only_on_depend": True,
            },
            "final_aggregate": {},
        },
        "REASONING": {
            "execute": {
                "prompt_version": "ReportReasoner",
                "llm_args": {"model": model, "temperature": 0.3},
                "parse_arg_dict": {"think": ["think"], "result": ["result"]},
            },
            "atom": {"all_atom": True},
            "final_aggregate": {},
        },
    }
