"""``python -m yaml_agents [WORKFLOW.yaml]``: plans a day with the agents of a file."""

import sys
from pathlib import Path

from yaml_agents.graph import compiled
from yaml_agents.workflow import load

DEFAULT = Path(__file__).with_name("day.yaml")


def main() -> None:
    """Run the workflow of a file."""
    workflow = load(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
    state = compiled(workflow).invoke(dict(workflow.inputs))
    for name in workflow.outputs:
        print(f"{name}: {state[name]}")


if __name__ == "__main__":
    main()
