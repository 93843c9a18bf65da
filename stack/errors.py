"""What can go wrong with the stack, each with one sentence for whoever started it.

::

    StackError
    ├── StackUnavailableError   this machine lacks something: Go, the registry, a built program
    ├── BuildError              the sources are there and do not build
    └── ProgramError            a program did not start, or ended early
"""

from __future__ import annotations

from typing import ClassVar


class StackError(Exception):
    """The stack cannot be had.

    Attributes:
        exit_code: What a command ends with.
    """

    exit_code: ClassVar[int] = 1


class StackUnavailableError(StackError):
    """This machine lacks something that is no fault of the project's."""

    exit_code: ClassVar[int] = 3


class BuildError(StackError):
    """The sources are there and do not build."""


class ProgramError(StackError):
    """A program did not start, or ended early."""
