"""What the model says when the example is tried out: what it was asked."""

from flowspan.testing import ReceivedRequest, Reply


def respond(_request: ReceivedRequest) -> Reply:
    """Answer with an echo."""
    return Reply()
