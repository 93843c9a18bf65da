"""The desk: a crew writes the note, an editor judges it, and a router says how to go on."""

from crewai import Agent
from crewai.flow.flow import Flow, listen, or_, router, start
from pydantic import BaseModel

from crewai_research.writers import MODEL, writers


class Note(BaseModel):
    """What the desk works on."""

    id: str = ""
    topic: str = ""
    text: str = ""
    verdict: str = ""
    rounds: int = 0


class Desk(Flow[Note]):
    """Writes a note, and writes it again until the editor is content."""

    @start()
    def ask(self) -> None:
        """Take the topic in."""
        self.state.verdict = "none yet"

    @listen(or_(ask, "again"))
    def write(self) -> None:
        """Have the crew write."""
        crew = writers()
        written = crew.kickoff({"topic": self.state.topic, "verdict": self.state.verdict})
        self.state.text = written.raw
        self.state.rounds += 1

    @listen(write)
    async def judge(self) -> None:
        """Ask the editor, who belongs to no crew."""
        editor = Agent(role="Editor", goal="short notes", backstory="Impatient.", llm=MODEL)
        answer = await editor.kickoff_async(f"Judge this note: {self.state.text}")
        self.state.verdict = answer.raw

    @router(judge)
    def decide(self) -> str:
        """Print it, or have it written again."""
        return "print" if self.state.verdict == "good" else "again"

    @listen("print")
    def hand_over(self) -> str:
        """Give the note away."""
        return self.state.text
