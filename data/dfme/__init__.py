"""DFME, the full release and the challenge release: builder and layout."""
