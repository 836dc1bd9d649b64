"""Sets up a clone of Yunzhuo: Debian's packages, ``.venv``, the front end. ``python3 -m infras.setup run``, from the clone.

It needs Python's standard library only, asks nothing, and does only what is missing. All that the programs it calls have to
say goes to a log in the temporary folder, which is kept when something fails.
"""
