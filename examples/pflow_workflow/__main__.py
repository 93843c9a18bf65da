"""``python -m pflow_workflow TOPIC``: ``pflow --no-cache -p report.pflow.md topic=TOPIC``.

It asks OpenAI's models, or whatever speaks like them:

    python -m flowspan.testing.provider -- flowspan run python -m pflow_workflow honey
"""

import os
import sys
from pathlib import Path

from pflow.cli import cli_main

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches them each time
WORKFLOW = Path(__file__).with_name("report.pflow.md")

if __name__ == "__main__":
    topic = " ".join(sys.argv[1:]) or "honey"
    sys.argv[1:] = ["--no-cache", "-p", str(WORKFLOW), f"topic={topic}"]
    cli_main()
