"""What the tests of WriteHERE share: answers, runs of both programs, comparisons."""
