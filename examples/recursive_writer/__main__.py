"""``python -m recursive_writer "a topic"`` writes an article into a folder."""

import argparse
from pathlib import Path

from recursive_writer.engine import Engine
from recursive_writer.models import Models


def main() -> None:
    """Read the command line, run the engine."""
    parser = argparse.ArgumentParser(prog="recursive_writer", description=__doc__)
    parser.add_argument("topic")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder for the files")
    arguments = parser.parse_args()
    with Models() as models:
        article = Engine(arguments.topic, models, arguments.output).run()
    print(f"{arguments.output / 'article.md'}: {len(article.split())} words")


if __name__ == "__main__":
    main()
