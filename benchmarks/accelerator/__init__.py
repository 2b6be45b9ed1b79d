"""What an accelerator does with this package: ``python -m benchmarks.accelerator`` (docs/accelerator.md).

Depends on ``fedpsyau_jax`` alone, so that it runs where neither OpenCV nor TensorFlow Datasets is installed.
"""
