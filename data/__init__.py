"""Databases: read annotation tables and pictures, make samples; one folder with a tfds builder for each database."""
