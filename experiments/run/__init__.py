"""The folder and the life of a run."""
