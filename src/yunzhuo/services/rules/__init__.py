"""Decisions without I/O: what is given goes in as arguments, ``now`` included, and what follows comes out."""
