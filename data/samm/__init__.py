"""SAMM: builder and layout."""
