"""Agreement with numbers of the released network."""
