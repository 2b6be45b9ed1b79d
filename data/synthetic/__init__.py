"""Rendered faces with known muscle motion: the embedded database."""
