"""``python -m langgraph_agent``: an article, which the editor wants shorter once."""

from langgraph.types import Command
from openai import OpenAI

from langgraph_agent.newsroom import newsroom

EDITOR = ("shorter", "print")


def main() -> None:
    """Have an article written, and ask the editor until it can be printed."""
    thread = {"configurable": {"thread_id": "issue-7"}}
    with OpenAI() as client:
        room = newsroom(client)
        state = room.invoke({"topic": "the bicycle"}, thread)
        for verdict in EDITOR:
            print(f"{state['article']}\n— {verdict}")
            state = room.invoke(Command(resume=verdict), thread)


if __name__ == "__main__":
    main()
