"""Measurements of speed: ``python -m benchmarks.federated_round`` and ``python -m benchmarks.conv``."""
