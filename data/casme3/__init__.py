"""CAS(ME)^3, Parts A and C: builder and layout."""
