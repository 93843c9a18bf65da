"""Gets spans and metrics out of the process: soon, off the program's threads, and within bounds."""
