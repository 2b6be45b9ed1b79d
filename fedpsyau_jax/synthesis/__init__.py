"""Synthetic micro-expressions: rendered faces, muscle motion and the pictures a camera would take of them."""
