"""``yunzhuo desktop put | get | clipboard``: files and text into a desktop and out of it."""

import sys
from pathlib import Path

import click

from yunzhuo.cli.asking import acting, found
from yunzhuo.cli.context import Command, CommandContext, pass_context, print_answer
from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.services.guests import PIECE_BYTES


@click.command(cls=Command)
@click.argument("reference", metavar="ID|NAME")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_context
def put(context: CommandContext, reference: str, file: Path) -> None:
    """Put a file into the desktop's download folder (of your own desktop: --as)."""
    size = file.stat().st_size
    with acting(context) as (all_services, actor), file.open("rb") as content:
        target, offset, whole = found(all_services, actor, reference), 0, None
        while whole is None:
            piece = content.read(PIECE_BYTES)
            if not piece and offset < size:
                raise InvalidInput("The file became shorter while it was read.")
            whole = all_services.guests.write_piece(actor, target.id, file.name, piece, offset=offset, size_bytes=size)
            offset += len(piece)
    data: dict[str, object] = {"name": whole.name, "size_bytes": whole.size_bytes}
    print_answer(data, f"{whole.name}: {whole.size_bytes} bytes", as_json=context.json_output)


@click.command(cls=Command)
@click.argument("reference", metavar="ID|NAME")
@click.argument("name", metavar="FILE")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Where it goes; else the present folder.")
@pass_context
def get(context: CommandContext, reference: str, name: str, target: Path | None) -> None:
    """Get a file out of the desktop's download folder (of your own desktop: --as)."""
    with acting(context) as (all_services, actor):
        source = found(all_services, actor, reference)
        piece = all_services.guests.read_piece(actor, source.id, name, offset=0)
        path = target / name if target and target.is_dir() else target or Path(name)
        with path.open("wb") as content:
            content.write(piece.content)
            while content.tell() < piece.size_bytes:
                piece = all_services.guests.read_piece(actor, source.id, name, offset=content.tell())
                if not piece.content:
                    raise Conflict("file_changed", "The file became shorter while it was read.")
                content.write(piece.content)
    print_answer(
        {"path": str(path), "size_bytes": piece.size_bytes}, f"{path}: {piece.size_bytes} bytes", as_json=context.json_output
    )


@click.command(cls=Command)
@click.argument("reference", metavar="ID|NAME")
@click.option("--set", "text", metavar="TEXT", help="Put this into it instead of reading it; - is standard input.")
@pass_context
def clipboard(context: CommandContext, reference: str, text: str | None) -> None:
    """Read or set the desktop's clipboard (of your own desktop: --as)."""
    with acting(context) as (all_services, actor):
        source = found(all_services, actor, reference)
        if text is not None:
            all_services.guests.set_clipboard(actor, source.id, sys.stdin.read() if text == "-" else text)
            return
        held = all_services.guests.get_clipboard(actor, source.id)
    print_answer({"text": held}, held, as_json=context.json_output)
