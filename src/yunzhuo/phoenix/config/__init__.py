"""Typed settings, read once: file < environment < flags."""
