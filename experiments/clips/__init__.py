"""Read clips of one's own with the networks of finished runs."""
