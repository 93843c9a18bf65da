"""A stand-in for pflow while it ran on PocketFlow: its layers and proxies, none of its features."""
