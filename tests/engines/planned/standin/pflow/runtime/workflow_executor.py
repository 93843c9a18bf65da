"""A workflow that is a node: compiled without what watches the outer one, in a store of its own."""

from __future__ import annotations

from typing import Any

from pocketflow import BaseNode

from pflow.runtime import compile_ir_to_flow


class WorkflowExecutor(BaseNode):
    def __init__(self, ir: Any) -> None:
        super().__init__()
        self.ir = ir

    def exec(self, prep_res: Any) -> Any:
        store: dict[str, Any] = {}
        compile_ir_to_flow(self.ir).run(store)
        return store

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["result"] = exec_res
