"""Model clients, one file each; being here is their registration."""
