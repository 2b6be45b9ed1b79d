"""Commands: each parses its options, builds, runs and writes."""
