"""DISFA, pairs of a neutral and an expressive frame: builder and layout."""
