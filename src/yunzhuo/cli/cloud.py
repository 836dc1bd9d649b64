"""``yunzhuo cloud``: the cloud that desktops run on."""

from collections.abc import Iterator

import click

from yunzhuo.cli.context import Command, CommandContext, Group, pass_context, print_answer
from yunzhuo.cli.tables import table
from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.services import cloud_check
from yunzhuo.services.cloud_check import Tried, Verdict


@click.group(cls=Group)
def cloud() -> None:
    """The cloud that desktops run on."""


@cloud.command(cls=Command)
@click.option("--look-only", is_flag=True, help="Try only what changes nothing: no server is made.")
@pass_context
def check(context: CommandContext, look_only: bool) -> int:
    """Try each call that Yunzhuo needs, and say how it went.

    A server of the default image is made, led through its life and removed again, which takes a few minutes. The exit code is
    1 when a call fails; what the cloud does not offer is told and fails nothing.
    """
    settings = context.settings()
    connected = clouds.connect(settings)
    tried: list[Tried] = []
    try:
        for each in _all(connected, look_only):
            tried.append(each)
            if not context.json_output:
                click.echo(f"{each.call}: {each.verdict.value}", err=True)
    finally:
        connected.close()
    rows = [(each.call, each.verdict.value, f"{each.seconds:.1f} s", each.said) for each in tried]
    text = table(("CALL", "RESULT", "TOOK", "THE CLOUD SAYS"), rows)
    print_answer([_data(each) for each in tried], text, as_json=context.json_output)
    return 1 if any(each.verdict is Verdict.FAILS for each in tried) else 0


def _all(connected: Cloud, look_only: bool) -> Iterator[Tried]:
    works = True
    for tried in cloud_check.look(connected):
        works = works and tried.verdict is not Verdict.FAILS
        yield tried
    if works and not look_only:
        yield from cloud_check.make_and_remove(connected)


def _data(tried: Tried) -> dict[str, object]:
    return {
        "call": tried.call,
        "result": tried.verdict.value,
        "seconds": round(tried.seconds, 3),
        "said": tried.said,
        "cloud_request_id": tried.cloud_request_id,
    }
