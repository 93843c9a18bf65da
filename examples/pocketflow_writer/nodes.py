"""What each step of writing does: prepare, ask a model, put the answer into the shared store."""

from openai import AsyncOpenAI, OpenAI
from pocketflow import AsyncParallelBatchNode, Node

WRITER = "gpt-4o"
JUDGE = "gpt-4o-mini"


def ask(prompt: str, model: str = WRITER) -> str:
    """One answer of a model."""
    with OpenAI() as client:
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}]
        )
    return answer.choices[0].message.content or ""


class Outline(Node):
    """Which parts the article has."""

    def prep(self, shared: dict) -> str:
        return shared["topic"]

    def exec(self, prep_res: str) -> list[str]:
        ask(f"Outline an article about {prep_res}")
        return [f"where {prep_res} comes from", f"what {prep_res} is for"]

    def post(self, shared: dict, prep_res: str, exec_res: list[str]) -> None:
        shared["parts"] = exec_res


class Draft(AsyncParallelBatchNode):
    """Writes all parts at once."""

    async def prep_async(self, shared: dict) -> list[str]:
        return shared["parts"]

    async def exec_async(self, prep_res: str) -> str:
        async with AsyncOpenAI() as client:
            answer = await client.chat.completions.create(
                model=WRITER, messages=[{"role": "user", "content": f"Write about {prep_res}"}]
            )
        return answer.choices[0].message.content or ""

    async def post_async(self, shared: dict, prep_res: list[str], exec_res: list[str]) -> None:
        shared["drafts"] = exec_res
        shared["revisions"] = 0


class Judge(Node):
    """Says whether the article needs another revision; one is enough."""

    def prep(self, shared: dict) -> list[str]:
        return shared["drafts"]

    def exec(self, prep_res: list[str]) -> str:
        return ask(f"Judge these {len(prep_res)} parts", JUDGE)

    def post(self, shared: dict, prep_res: list[str], exec_res: str) -> str:
        return "revise" if shared["revisions"] == 0 else "accept"


class Revise(Node):
    """Rewrites the last part."""

    def prep(self, shared: dict) -> str:
        return shared["drafts"][-1]

    def exec(self, prep_res: str) -> str:
        return ask(f"Say it better: {prep_res}")

    def post(self, shared: dict, prep_res: str, exec_res: str) -> None:
        shared["drafts"] = [*shared["drafts"][:-1], exec_res]
        shared["revisions"] += 1


class Accept(Node):
    """The end of the review."""


class Title(Node):
    """Wants a title of one word, and makes one up where the model will not keep to that."""

    def prep(self, shared: dict) -> str:
        return shared["topic"]

    def exec(self, prep_res: str) -> str:
        title = ask(f"A title of one word for an article about {prep_res}", JUDGE)
        if " " in title:
            raise ValueError("more than one word")
        return title

    def exec_fallback(self, prep_res: str, exc: Exception) -> str:
        return prep_res.title()

    def post(self, shared: dict, prep_res: str, exec_res: str) -> None:
        shared["title"] = exec_res


class Publish(Node):
    """The end: the article is in the store."""
