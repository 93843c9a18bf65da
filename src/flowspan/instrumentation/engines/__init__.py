"""Workflow engines, one file each; being here is their registration."""
