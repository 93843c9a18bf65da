"""``python -m pocketflow_writer TOPIC``."""

import asyncio
import sys

from pocketflow_writer.flow import writer


def main() -> None:
    """Write about the topic, and print what came of it."""
    shared = {"topic": " ".join(sys.argv[1:]) or "honey"}
    asyncio.run(writer().run_async(shared))
    print(shared["title"])
    for part in shared["drafts"]:
        print("-", part)


if __name__ == "__main__":
    main()
