"""CAS(ME)^3 Part A: builder and layout."""
