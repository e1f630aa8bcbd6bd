"""The checks, a file for each area or for a few small ones. A file is found by being here."""
