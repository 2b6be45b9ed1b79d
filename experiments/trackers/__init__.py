"""Trackers: where a run reports its metrics, scores and figures while and after it trains."""
