"""Synthetic micro-expressions: rendered faces, muscle motion and the frames that a camera would record."""
