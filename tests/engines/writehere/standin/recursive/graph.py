"""Tasks, their status machine, and the graph of tasks inside a task."""

from __future__ import annotations

import os
import random
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any

from recursive.agent.proxy import AgentProxy
from recursive.utils.register import Register

task_register = Register("task_register")
_random = random.Random(os.environ.get("WRITER_SEED"))  # noqa: S311 - identities, not secrets

Condition = Callable[..., bool]


class TaskStatus(Enum):
    NOT_READY = 1
    READY = 2
    NEED_UPDATE = 3
    FINAL_TO_FINISH = 4
    NEED_POST_REFLECT = 5
    FINISH = 6
    PLAN_DONE = 7
    DOING = 8
    FAILED = 9


class NodeType(Enum):
    PLAN_NODE = 1
    EXECUTE_NODE = 2


class Graph:
    def __init__(self, outer_node: AbstractNode) -> None:
        self.outer_node = outer_node
        self.clear()

    def clear(self) -> None:
        self.graph_edges: dict[Any, list[AbstractNode]] = {}
        self.nid_list: list[Any] = []
        self.node_list: list[AbstractNode] = []
        self.topological_task_queue: list[AbstractNode] = []

    def add_node(self, node: AbstractNode) -> None:
        if node.nid in self.nid_list:
            raise Exception(f"two tasks are called {node.nid}")  # noqa: TRY002 - as the real engine
        self.nid_list.append(node.nid)
        self.node_list.append(node)
        self.graph_edges[node.nid] = []

    def add_edge(self, parent: AbstractNode, cur: AbstractNode) -> None:
        self.graph_edges[parent.nid].append(cur)

    def topological_sort(self, mode: str = "bfs") -> list[AbstractNode]:
        queue: list[AbstractNode] = []
        waiting = {node.nid: 0 for node in self.node_list}
        for children in self.graph_edges.values():
            for child in children:
                waiting[child.nid] += 1
        while len(queue) < len(self.node_list):
            ready = [n for n in self.node_list if waiting[n.nid] == 0 and n not in queue]
            if not ready:
                raise Exception("the dependencies run in a circle")  # noqa: TRY002
            queue.extend(ready)
            for node in ready:
                for child in self.graph_edges[node.nid]:
                    waiting[child.nid] -= 1
        self.topological_task_queue = queue
        return queue


class AbstractNode(ABC):
    def __init__(
        self,
        config: dict[str, Any],
        nid: Any,
        node_graph_info: dict[str, Any],
        task_info: dict[str, Any],
        node_type: NodeType | None = None,
    ) -> None:
        self.config = config
        self.nid = nid
        self.hashkey = str(uuid.UUID(int=_random.getrandbits(128), version=4))
        self.node_graph_info = node_graph_info
        self.task_info = task_info
        self.inner_graph = Graph(self)
        self.raw_plan: list[dict[str, Any]] | None = None
        self.node_type = node_type
        self.status = TaskStatus.NOT_READY
        self.agent_proxy = AgentProxy(config)
        self.result: dict[str, Any] = {}
        self.status_list: dict[str, list[TaskStatus]] = {}
        self.status_action_mapping: dict[TaskStatus, list[tuple[Condition, str, TaskStatus]]] = {}
        self.status_exam_mapping: dict[TaskStatus, list[tuple[Condition, TaskStatus]]] = {}
        self.define_status()

    @abstractmethod
    def define_status(self) -> None: ...

    @abstractmethod
    def get_node_final_result(self) -> Any: ...

    @property
    def task_type_tag(self) -> str:
        return str(self.config["tag2task_type"][self.task_info["task_type"]])

    @property
    def topological_task_queue(self) -> list[AbstractNode]:
        return self.inner_graph.topological_task_queue

    @property
    def is_atom(self) -> bool:
        outer = self.node_graph_info["outer_node"]
        return self.node_type == NodeType.EXECUTE_NODE and len(outer.topological_task_queue) == 1

    @property
    def is_suspend(self) -> bool:
        return self.status in self.status_list["suspend"]

    @property
    def is_activate(self) -> bool:
        return self.status in self.status_list["activate"]

    def task_str(self) -> str:
        return f"{self.nid}.{self.task_info['goal']}: {self.status.name}"

    def to_json(self) -> dict[str, Any]:
        return {
            "nid": str(self.nid),
            "goal": self.task_info["goal"],
            "status": self.status.name,
            "result": self.result,
            "inner_graph": [node.to_json() for node in self.topological_task_queue],
        }

    def next_action_step(self, memory: Any, *args: Any, **kwargs: Any) -> tuple[str, Any]:
        if not self.is_activate:
            raise NotImplementedError(f"status {self.status} is not an activate one")
        for condition, action_name, next_status in self.status_action_mapping[self.status]:
            if condition(self, memory, *args, **kwargs):
                result = self.do_action(action_name, memory, *args, **kwargs)
                self.status = next_status
                break
        else:
            raise Exception(f"nothing can be done in {self.status}")  # noqa: TRY002
        return action_name, result

    def do_exam(self, verbose: bool) -> None:  # noqa: FBT001 - as the real engine
        if not self.is_suspend:
            raise NotImplementedError(f"status {self.status} is not a suspend one")
        for condition, next_status in self.status_exam_mapping[self.status]:
            if condition(self):
                self.status = next_status
                break

    def do_action(self, action_name: str, memory: Any, *args: Any, **kwargs: Any) -> Any:
        agent = self.agent_proxy.proxy(action_name)
        result = getattr(self, action_name)(agent, memory, *args, **kwargs)
        self.result[action_name] = {
            "result": result,
            "time": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),  # noqa: DTZ005 - as the real one
            "agent": self.config["action_mapping"][action_name],
        }
        return result

    def get_outer_write_task(self) -> AbstractNode:
        outer: AbstractNode = self.node_graph_info["outer_node"].node_graph_info["outer_node"]
        return outer

    def get_all_layer_plan(self) -> str:
        root = self.node_graph_info["root_node"]
        return "\n".join(node.task_str() for node in [root, *root.topological_task_queue])

    def plan2graph(self, raw_plan: list[dict[str, Any]]) -> None:
        if len(raw_plan) == 0:
            only: dict[str, Any] = {"id": 0, "dependency": [], "atom": True}
            for key in self.config["require_keys"][self.task_type_tag]:
                only.setdefault(key, self.task_info.get(key))
            raw_plan.append(only)
        nodes = [self._inner_node(task) for task in raw_plan]
        known = {str(node.nid): node for node in nodes}
        _add_implicit_dependencies(nodes, "REASONING")
        _add_implicit_dependencies(nodes, "COMPOSITION")
        for node in nodes:
            parents = node.node_graph_info["parent_nodes"]
            node.node_graph_info["parent_nodes"] = [
                known[str(nid)] for nid in parents if str(nid) in known
            ]
        self.inner_graph.clear()
        for node in nodes:
            self.inner_graph.add_node(node)
        for node in nodes:
            for parent in node.node_graph_info["parent_nodes"]:
                self.inner_graph.add_edge(parent, node)
        self.inner_graph.topological_sort()

    def _inner_node(self, task: dict[str, Any]) -> AbstractNode:
        keys = self.config["require_keys"][self.config["tag2task_type"][task["task_type"]]]
        task_info = {key: task.get(key) for key in keys}
        task_info["candidate_plan"] = task.get("sub_tasks", "Missing")
        return self.__class__(
            config=self.config,
            nid=task["id"],
            node_graph_info={
                "outer_node": self,
                "root_node": self.node_graph_info["root_node"],
                "parent_nodes": task["dependency"],  # the plan's own list, changed below
                "layer": self.node_graph_info["layer"] + 1,
            },
            task_info=task_info,
            node_type=NodeType.EXECUTE_NODE if task.get("atom") else NodeType.PLAN_NODE,
        )


def _add_implicit_dependencies(nodes: list[AbstractNode], tag: str) -> None:
    earlier: list[AbstractNode] = []
    for node in sorted(nodes, key=lambda one: int(str(one.nid).rsplit(".", maxsplit=1)[-1])):
        if node.task_type_tag == tag:
            parents = node.node_graph_info["parent_nodes"]
            parents.extend(before.nid for before in earlier if before.nid not in parents)
            earlier.append(node)


@task_register.register_module()
class RegularDummyNode(AbstractNode):
    def get_node_final_result(self) -> Any:
        if self.status != TaskStatus.FINISH:
            return None
        action = "final_aggregate" if self.node_type is NodeType.PLAN_NODE else "execute"
        return self.result[action]["result"]

    def define_status(self) -> None:
        self.status_list = {
            "silence": [TaskStatus.FINISH, TaskStatus.FAILED],
            "suspend": [TaskStatus.NOT_READY, TaskStatus.DOING],
            "activate": [
                TaskStatus.READY,
                TaskStatus.NEED_UPDATE,
                TaskStatus.PLAN_DONE,
                TaskStatus.FINAL_TO_FINISH,
                TaskStatus.NEED_POST_REFLECT,
            ],
        }
        self.status_action_mapping = {
            TaskStatus.READY: [
                (
                    lambda node, *_args, **_kwargs: node.node_type == NodeType.PLAN_NODE,
                    "plan",
                    TaskStatus.PLAN_DONE,
                ),
                (
                    lambda node, *_args, **_kwargs: node.node_type == NodeType.EXECUTE_NODE,
                    "execute",
                    TaskStatus.NEED_POST_REFLECT,
                ),
            ],
            TaskStatus.NEED_UPDATE: [
                (lambda *_args, **_kwargs: True, "update", TaskStatus.READY),
            ],
            TaskStatus.PLAN_DONE: [
                (lambda *_args, **_kwargs: True, "prior_reflect", TaskStatus.DOING),
            ],
            TaskStatus.FINAL_TO_FINISH: [
                (
                    lambda *_args, **_kwargs: True,
                    "final_aggregate",
                    TaskStatus.NEED_POST_REFLECT,
                ),
            ],
            TaskStatus.NEED_POST_REFLECT: [
                (
                    lambda node, *_args, **_kwargs: node.node_type == NodeType.PLAN_NODE,
                    "planning_post_reflect",
                    TaskStatus.FINISH,
                ),
                (
                    lambda node, *_args, **_kwargs: node.node_type == NodeType.EXECUTE_NODE,
                    "execute_post_reflect",
                    TaskStatus.FINISH,
                ),
            ],
        }
        self.status_exam_mapping = {
            TaskStatus.NOT_READY: [
                (
                    lambda node, *_args, **_kwargs: (
                        node.node_graph_info["outer_node"].status == TaskStatus.DOING
                        and len(node.node_graph_info["parent_nodes"]) == 0
                    ),
                    TaskStatus.READY,
                ),
                (
                    lambda node, *_args, **_kwargs: (
                        node.node_graph_info["outer_node"].status == TaskStatus.DOING
                        and all(
                            parent.status == TaskStatus.FINISH
                            for parent in node.node_graph_info["parent_nodes"]
                        )
                    ),
                    TaskStatus.NEED_UPDATE,
                ),
            ],
            TaskStatus.DOING: [
                (
                    lambda node, *_args, **_kwargs: all(
                        inner.status == TaskStatus.FINISH for inner in node.topological_task_queue
                    ),
                    TaskStatus.FINAL_TO_FINISH,
                ),
            ],
        }

    def plan(self, agent: Any, memory: Any, *args: Any, **kwargs: Any) -> Any:
        result = agent.forward(self, memory, *args, **kwargs)
        self.raw_plan = result["result"]
        self.plan2graph(result["result"])
        return result

    def _forward(self, agent: Any, memory: Any, *args: Any, **kwargs: Any) -> Any:
        return agent.forward(self, memory, *args, **kwargs)

    update = execute = prior_reflect = _forward
    planning_post_reflect = execute_post_reflect = _forward

    def final_aggregate(self, agent: Any, memory: Any, *args: Any, **kwargs: Any) -> Any:
        inner = self.topological_task_queue
        if len(inner) == 1 and inner[0].node_type == NodeType.EXECUTE_NODE:
            return inner[0].get_node_final_result()
        return agent.forward(self, memory, *args, **kwargs)
