"""CASME II: builder and layout."""
