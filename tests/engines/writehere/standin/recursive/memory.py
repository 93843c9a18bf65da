"""What the run has written and found so far."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recursive.cache import Cache
    from recursive.graph import AbstractNode

caches: dict[str, Cache | None] = {"search": None, "llm": None, "web_page": None}


class InfoNode:
    def __init__(self, hashkey: str, nid: Any, info: dict[str, Any]) -> None:
        self.hashkey = hashkey
        self.nid = nid
        self.info = info


class Memory:
    def __init__(self, root_node: AbstractNode, format: str, config: dict[str, Any]) -> None:  # noqa: A002 - the real engine's parameter
        self.root_node = root_node
        self.format = format
        self.config = config
        self.article = ""
        self.all_search_results: list[dict[str, Any]] = []
        self.global_start_index = 1
        self.info_nodes: dict[str, InfoNode] = {}

    def add_search_result(self, page: dict[str, Any]) -> dict[str, Any]:
        self.all_search_results.append(page)
        self.global_start_index += 1
        return page

    def update_infos(self, node_list: list[AbstractNode]) -> None:
        self.info_nodes = {}
        for node in node_list:
            self._collect(node)

    def _collect(self, node: AbstractNode | None) -> None:
        if node is None or node.hashkey in self.info_nodes:
            return
        info = copy.deepcopy(node.task_info)
        info["final_result"] = node.get_node_final_result()
        self.info_nodes[node.hashkey] = InfoNode(node.hashkey, node.nid, info)
        self._collect(node.node_graph_info["outer_node"])
        for parent in node.node_graph_info["parent_nodes"]:
            self._collect(parent)

    def collect_node_run_info(self, graph_node: AbstractNode) -> dict[str, Any]:
        if graph_node.is_atom:
            graph_node = graph_node.node_graph_info["outer_node"]
        upper = []
        outer = graph_node.node_graph_info["outer_node"]
        while outer is not None:
            upper.append(self._precedents(outer))
            outer = outer.node_graph_info["outer_node"]
        return {
            "same_graph_precedents": self._precedents(graph_node),
            "upper_graph_precedents": [layer for layer in reversed(upper) if layer],
        }

    def _precedents(self, node: AbstractNode) -> list[dict[str, Any]]:
        found = []
        for parent in node.node_graph_info["parent_nodes"]:
            if parent.task_type_tag != "COMPOSITION":
                result = self.info_nodes[parent.hashkey].info["final_result"]
                found.append({"goal": parent.task_info["goal"], "result": result["result"]})
        return found

    def save(self, folder: str) -> None:
        state = {"article": self.article, "all_search_results": self.all_search_results}
        Path(folder, "memory.jsonl").write_text(json.dumps(state, ensure_ascii=False), "utf-8")
