"""What runs workflows."""

from pflow.runtime.compiler import compile_ir_to_flow

__all__ = ["compile_ir_to_flow"]
