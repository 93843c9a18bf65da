"""The wire formats of model providers: what a request asks and what an answer says."""
