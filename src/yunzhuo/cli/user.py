"""``yunzhuo user``: all of its commands."""

from yunzhuo.cli.user_security import COMMANDS
from yunzhuo.cli.users import user

for command in COMMANDS:
    user.add_command(command)

__all__ = ["user"]
