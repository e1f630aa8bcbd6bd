"""Makes the pages of docs/reference, one module for each subject; ``docs/generate.py`` is the command."""
