"""MMEW: builder and layout."""
