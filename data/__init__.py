"""Databases: annotation tables, pictures, samples, one tfds builder folder for each."""
