"""The planner."""

from pflow.planning.flow import create_planner_flow

__all__ = ["create_planner_flow"]
