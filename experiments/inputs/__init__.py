"""What the user chooses: settings, databases, priors, detectors."""
