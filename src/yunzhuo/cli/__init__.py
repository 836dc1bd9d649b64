"""The command line: ``yunzhuo up``, each process, and what an administrator does from a terminal.

Commands live in modules of their own, imported when they are called: a process starts with its own imports alone.
"""

import errno
import sys
from collections.abc import Sequence

import click

from yunzhuo.cli.context import CommandContext, print_problem
from yunzhuo.phoenix.common.errors import YunzhuoError

INTERRUPTED = 130
_DOCTORS_CASES = frozenset({"database_unavailable", "cloud_unavailable"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code: 0, 1 for an error of ours, 2 for a wrong call, 130 when interrupted."""
    from yunzhuo.cli.root import root  # noqa: PLC0415 (root's own module imports click's classes from here on)

    context = CommandContext()
    try:
        result = root.main(args=arguments, prog_name="yunzhuo", standalone_mode=False, obj=context)
    except click.ClickException as error:
        print_problem("usage" if error.exit_code == 2 else "failed", error.format_message(), {}, as_json=context.json_output)  # noqa: PLR2004
        return error.exit_code
    except YunzhuoError as error:
        hint = " `yunzhuo doctor` says more." if error.code in _DOCTORS_CASES else ""
        print_problem(error.code, error.message + hint, error.details, as_json=context.json_output)
        return 1
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    except OSError as error:
        # A full disk behind standard output has no name, and is no fault of ours.
        if not error.filename and error.errno != errno.ENOSPC:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print_problem("file_unusable", f"{where}{error.strerror}", {}, as_json=context.json_output)
        return 1
    return result if isinstance(result, int) else 0
