"""The errors that flowspan raises on purpose; everything else stays inside ``safety``.

::

    Exception
     └─ FlowspanError            what a user asked to be told
         ├─ ConfigurationError   a file or value of the user's cannot be used (command line only)
         └─ StoreError           the embedded store cannot be read or written
             ├─ StoreTooNewError written by a newer flowspan
             └─ RunNotFoundError no run, or more than one, is meant by a name
"""


class FlowspanError(Exception):
    """Base of all errors that may reach a program or a user.

    Only subclasses of this one pass the guard of ``flowspan.safety``.
    """


class ConfigurationError(FlowspanError):
    """A file or a value that the user gave cannot be used.

    The message names the thing, the place (file and line where known) and the form expected.
    """


class StoreError(FlowspanError):
    """The embedded store cannot be opened, read or written."""


class StoreTooNewError(StoreError):
    """The store was written by a newer flowspan than this one."""


class RunNotFoundError(StoreError):
    """No run is meant by the name that the user gave, or more than one is."""
