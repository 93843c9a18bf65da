"""A workflow becomes a flow: each node in three proxies, one in the other."""

from __future__ import annotations

import itertools
from typing import Any

import openai
from pocketflow import Flow, Node


def ask(prompt: Any) -> Any:
    with openai.OpenAI(api_key="sk", max_retries=0) as client:
        answer = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": prompt}]
        )
    return answer.choices[0].message.content


class LLMNode(Node):
    def exec(self, prep_res: Any) -> Any:
        return ask("go on")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["response"] = exec_res


class _Proxy:
    def __init__(self, inner: Any, node_id: Any) -> None:
        self.inner_node = inner
        self.node_id = node_id
        self.successors = inner.successors
        self.params = inner.params

    def __getattr__(self, name: Any) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(object.__getattribute__(self, "inner_node"), name)

    def set_params(self, params: Any) -> None:
        self.inner_node.set_params(params)


class TemplateAwareNodeWrapper(_Proxy):
    def _run(self, shared: Any) -> Any:
        return self.inner_node._run(shared)


class NamespacedSharedStore:
    def __init__(self, parent: Any, namespace: Any) -> None:
        self._parent = parent
        self._namespace = namespace
        parent.setdefault(namespace, {})

    def __setitem__(self, key: Any, value: Any) -> None:
        self._parent[self._namespace][key] = value


class NamespacedNodeWrapper(_Proxy):
    def _run(self, shared: Any) -> Any:
        return self.inner_node._run(NamespacedSharedStore(shared, self.node_id))


class InstrumentedNodeWrapper(_Proxy):
    def _run(self, shared: Any) -> Any:
        return self.inner_node._run(shared)


PROXIES = (TemplateAwareNodeWrapper, NamespacedNodeWrapper, InstrumentedNodeWrapper)


def compile_ir_to_flow(ir: Any) -> Any:
    from pflow.runtime.workflow_executor import WorkflowExecutor

    nodes = []
    for row in ir["nodes"]:
        node = LLMNode() if row["type"] == "llm" else WorkflowExecutor(row["ir"])
        for proxy in PROXIES:
            node = proxy(node, row["id"])
        nodes.append(node)
    for node, following in itertools.pairwise(nodes):
        node.successors["default"] = following
    return Flow(nodes[0])
