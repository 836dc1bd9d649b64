"""Yunzhuo (云晫): cloud desktops for schools, labs and offices."""

__version__ = "0.1.0"
