"""Federations of other libraries, each a script that ``benchmarks.cases.peers`` starts in an environment of its own."""
