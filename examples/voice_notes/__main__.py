"""``python -m voice_notes``: notes from two recordings, the second of which no notes come of."""

from google import genai

from voice_notes.pipeline import pipeline

RECORDINGS = {
    "monday": "So the tests are slow. Ana looks at the database first. Then we ship on Friday.",
    "static": "Crackle, crackle. Somebody coughs. Crackle.",
}


def main() -> None:
    """Write down what was said in each recording."""
    client = genai.Client()
    take_notes = pipeline(client)
    for name, transcript in RECORDINGS.items():
        state = take_notes.invoke({"transcript": transcript})
        print(f"{name}: {state['current_stage']}")
        for note in state.get("notes", [state.get("error_message", "")]):
            print(f"  {note}")
    client.close()


if __name__ == "__main__":
    main()
