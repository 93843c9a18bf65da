"""``python -m crewai_research``: a note on a topic, which the editor sends back once."""

from crewai_research.desk import Desk


def main() -> None:
    """Have a note written until the editor is content with it."""
    desk = Desk(suppress_flow_events=True)
    print(desk.kickoff(inputs={"topic": "the bicycle"}))
    print(f"after {desk.state.rounds} rounds")


if __name__ == "__main__":
    main()
