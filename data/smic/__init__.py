"""SMIC: builder and layout."""
