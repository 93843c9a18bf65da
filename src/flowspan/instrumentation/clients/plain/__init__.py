"""HTTP libraries: how the requests and responses of each are read, without importing any."""
