"""CK+, from the first to the last frame of each sequence: builder and layout."""
