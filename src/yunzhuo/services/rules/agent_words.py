"""What desktops' agents and Yunzhuo say to each other: JSON, parsed within bounds. The protocol is in docs/adr/0037.

A *turn* is one request of an agent: how its desktop is, and what came of the question before. Its answer is a *question* or
none.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yunzhuo.phoenix.common.errors import InvalidInput

#: The largest piece of a file, and the largest turn: such a piece in base64 with its frame.
PIECE_BYTES = 1024 * 1024
MAX_TURN_BYTES = 1536 * 1024
LONGEST_WAIT_SECONDS = 25.0
_MOST_FILES = 2000
_LONGEST_PATH = 1024
_YEAR_2100 = 4_102_444_800
_MOST = 2**31 - 1
_HUGE = 2**53

Count = Annotated[int, Field(ge=0, le=_MOST)]
Size = Annotated[int, Field(ge=0, le=_HUGE)]
Since = Annotated[int, Field(ge=0, le=_YEAR_2100)]
_Kind = TypeVar("_Kind", bound="_Word")


class Verb(StrEnum):
    """All that an agent can be asked."""

    STATUS = "status"
    LIST_FILES = "list_files"
    READ_PIECE = "read_piece"
    WRITE_PIECE = "write_piece"
    MOVE_FILE = "move_file"
    DELETE_FILE = "delete_file"
    GET_CLIPBOARD = "get_clipboard"
    SET_CLIPBOARD = "set_clipboard"
    MESSAGE = "message"


class Code(StrEnum):
    """Why an agent has not done what it was asked."""

    NO_FILE = "no_file"
    OUT_OF_STEP = "out_of_step"
    DISK_FULL = "disk_full"
    BAD_PATH = "bad_path"
    NOBODY = "nobody"
    NO_PROGRAM = "no_program"
    UNKNOWN_VERB = "unknown_verb"
    FAILED = "failed"


class _Word(BaseModel):
    """Frozen, and JSON's kinds exactly. What a newer agent says besides is not read."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Status(_Word):
    """How a desktop is. ``load`` is the last minute's for each processor; ``signed_in_since`` (Unix time) None: nobody."""

    is_ready: bool
    load: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] | None = None
    memory_mib: Count | None = None
    memory_used_mib: Count | None = None
    signed_in_since: Since | None = None

    @property
    def signed_in_at(self) -> datetime | None:
        """Since when somebody is signed in."""
        return None if self.signed_in_since is None else datetime.fromtimestamp(self.signed_in_since, UTC)


class FileWord(_Word):
    """A file in a folder."""

    name: str = Field(max_length=255)
    size_bytes: Size
    modified_at: Since


class Answer(_Word):
    """What came of a question; ``code`` None: it was done."""

    id: str = Field(min_length=1, max_length=64)
    code: Code | None = Field(None, strict=False)
    said: str = Field("", max_length=200)
    text: str | None = Field(None, max_length=PIECE_BYTES)
    content: str | None = Field(None, max_length=PIECE_BYTES // 3 * 4 + 8, pattern="^[0-9A-Za-z+/]*={0,2}$", repr=False)
    size_bytes: Size | None = None
    files: list[FileWord] | None = Field(None, max_length=_MOST_FILES)


class Turn(_Word):
    """One request of an agent. ``boot`` names the start of its system, another one after each."""

    boot: str = Field(pattern=r"^[0-9a-f-]{8,64}$")
    agent: str = Field(pattern=r"^[0-9A-Za-z.~+-]{1,32}$")
    wait_seconds: float = Field(ge=0, le=LONGEST_WAIT_SECONDS, allow_inf_nan=False)
    status: Status
    answer: Answer | None = None


class Question(_Word):
    """What an agent is asked; which of the values are there depends on the verb."""

    id: str = Field(min_length=1, max_length=64)
    verb: Verb = Field(strict=False)
    path: str | None = Field(None, max_length=_LONGEST_PATH)
    new_path: str | None = Field(None, max_length=_LONGEST_PATH)
    offset: Size | None = None
    max_bytes: Annotated[int, Field(ge=0, le=PIECE_BYTES)] | None = None
    content: str | None = Field(None, max_length=PIECE_BYTES // 3 * 4 + 8, repr=False)
    text: str | None = Field(None, max_length=PIECE_BYTES)


def read_turn(body: bytes) -> Turn:
    """An agent's request. Raises InvalidInput, which says where it is wrong and nothing of what was there."""
    return _read(Turn, body)


def read_question(verb: str, question_id: str, body: bytes) -> Question:
    """What one of our own processes wants asked. Raises InvalidInput."""
    wanted = _read(_Arguments, body)
    try:
        return Question(id=question_id, verb=Verb(verb), **wanted.model_dump())
    except ValueError:
        raise InvalidInput("An agent cannot be asked this.", code="unknown_verb") from None


def question_json(question: Question | None) -> dict[str, Any]:
    """The answer to a turn."""
    return {"question": None if question is None else question.model_dump(exclude_none=True)}


class _Arguments(_Word):
    path: str | None = Field(None, max_length=_LONGEST_PATH)
    new_path: str | None = Field(None, max_length=_LONGEST_PATH)
    offset: Size | None = None
    max_bytes: Annotated[int, Field(ge=0, le=PIECE_BYTES)] | None = None
    content: str | None = Field(None, max_length=PIECE_BYTES // 3 * 4 + 8, repr=False)
    text: str | None = Field(None, max_length=PIECE_BYTES)


def _read(kind: type[_Kind], body: bytes) -> _Kind:
    if len(body) > MAX_TURN_BYTES:
        raise InvalidInput("This is larger than what is taken here.", code="too_large")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)[:5]
        fields = {".".join(map(str, one["loc"]))[:100] or "body": str(one["type"]) for one in found}
        raise InvalidInput("This is not what an agent says.", fields=fields) from None
