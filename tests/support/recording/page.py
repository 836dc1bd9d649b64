"""The page about a click, made from a recording and the story around it."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from tests.support.recording.calls import Recorded, Tree, paths_from
from tests.support.recording.story import BY_CHANCE, SMALL_TALK, STORY, Moment

_WIDTH = 125

_HEAD = """\
# What happens when a desktop is opened

The calls of one real click, on this computer's own machines: a person asks for a desktop through the API, follows its events,
opens its screen, and the first picture comes. A test starts everything with `yunzhuo up`, clicks, records which part calls
which, and fails when this page says something else; `make docs-pages` writes it anew. The portal's pages call the same
services.

| | in | what | asked by | by way of |
|---|---|---|---|---|
"""
_HOW_TO_READ = """
The `scheduler` has no part in a click that goes well: it would find the operation if the message got lost.

How to read the calls: `part: function`, indented below the part that calls it, each once and in the order in which it came
first. A line without indentation is where a request, a message, a task or a callback comes in. Not shown are calls within a
part, private functions, values read as attributes, what everybody speaks to (clock, ids, errors, logging, settings, models,
results), and what depends on how fast the computer was.
"""


def page(recording: Sequence[Recorded]) -> str:
    """The whole page. Raises AssertionError when something that the story tells of did not happen."""
    rows = [
        f"| {number} | `{moment.process}` | [{moment.title}](#{_anchor(number, moment)}) | {moment.asked_by} | {moment.by} |"
        for number, moment in enumerate(STORY, 1)
    ]
    sections = [line for number, moment in enumerate(STORY, 1) for line in _section(number, moment, recording)]
    return _HEAD + "\n".join([*rows, _HOW_TO_READ, *sections]).rstrip() + "\n"


def _section(number: int, moment: Moment, recording: Iterable[Recorded]) -> Iterator[str]:
    yield from (f"({_anchor(number, moment)})=", f"## {number}. `{moment.process}`: {moment.title}", "")
    yield from (*textwrap.wrap(moment.why, _WIDTH), "", "```text")
    for depth, call in _tree(moment, recording).lines():
        yield f"{'    ' * depth}{call}"
    yield from ("```", "")


def _tree(moment: Moment, recording: Iterable[Recorded]) -> Tree:
    whole = Tree()
    for beginning in moment.beginnings:
        paths = paths_from(recording, moment.process, beginning, SMALL_TALK | BY_CHANCE)
        assert paths, f"{moment.process}: {' > '.join(map(str, beginning))} did not happen in the recorded click"
        for path in paths:
            whole.add(path)
    return whole


def _anchor(number: int, moment: Moment) -> str:
    return f"click-{number}-{moment.process}"
