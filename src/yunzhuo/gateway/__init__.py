"""The one public door to the desktops' screens: tickets in, screens out, and no state of its own.

::

    server.py        the process: configuration checked, workers started, stopped by a signal or by its supervisor's end
    worker.py        one event loop: listens, sweeps over its sessions, drains
    door.py          a new connection, until it is refused or let in
    admission.py     ticket -> session: asks the manager, dials the screen
    relay.py         an open session: bytes from the browser to the screen and back
    protocol/        what the bytes mean; no I/O
"""
