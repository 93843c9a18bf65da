"""How the nodes are wired: a flow, with a smaller one inside that goes round."""

from pocketflow import AsyncFlow, Flow

from pocketflow_writer.nodes import Accept, Draft, Judge, Outline, Publish, Revise, Title


def writer() -> AsyncFlow:
    """The whole of it; async, because the parts are written at once."""
    outline, draft, review = Outline(), Draft(max_retries=2), Review()
    title, publish = Title(max_retries=2), Publish()
    outline >> draft >> review >> title >> publish
    return AsyncFlow(start=outline)


class Review(Flow):
    """Judges the article and has it revised until it is accepted."""

    def __init__(self) -> None:
        judge, revise = Judge(), Revise()
        judge - "revise" >> revise
        judge - "accept" >> Accept()
        revise >> judge
        super().__init__(start=judge)
