"""Yunzhuo's agent inside a desktop: asks Yunzhuo what there is to do, and does it as the person who works there.

Python's own library alone, 3.9 or newer, so that it runs wherever cloud-init does. The protocol: docs/adr/0037.
"""

VERSION = "0.1.0"
