"""The web process: portal and REST API on one port, and the process that brings changes to open pages."""
