"""``python -m flowspan`` is the command line, in the Python that is named."""

from flowspan.cli import main

if __name__ == "__main__":
    main()
