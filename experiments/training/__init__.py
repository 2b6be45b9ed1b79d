"""The engine: what is trained, and how."""
