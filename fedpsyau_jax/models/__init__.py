"""The networks of FED-PsyAU."""
