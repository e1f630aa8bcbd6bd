"""The command `market`."""
