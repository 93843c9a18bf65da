"""Notes from a transcript in four stages, each a prompt to Gemini; the state says what failed."""
