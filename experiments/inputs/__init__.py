"""Inputs of a run: settings, databases, priors, detectors, splits."""
