"""Writes an article with PocketFlow: an outline, parts at once, a review that loops, a title.

It asks OpenAI's models, or whatever speaks like them:

    python -m flowspan.testing.provider -- flowspan run python -m pocketflow_writer honey
"""
