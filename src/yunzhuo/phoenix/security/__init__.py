"""Passwords and secrets: what may be stored, and how it is compared."""
