"""Measurements of speed: ``python -m benchmarks`` for all in one table; each module is a command of its own, too."""
