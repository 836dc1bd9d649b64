"""What the agent in a desktop is told over SPICE under which policy: every policy, every kind of message."""

from itertools import product

import pytest

from yunzhuo.gateway.protocol import spice_messages
from yunzhuo.gateway.protocol.policy import EVERYTHING, Policy
from yunzhuo.gateway.protocol.spice_messages import FULL_HEADER, INPUTS, MAIN, MINI_HEADER

POLICIES = [
    Policy(view_only=only, clipboard_to_desktop=to, clipboard_from_desktop=out, file_transfer=files)
    for only, to, out, files in product((False, True), repeat=4)
]
# spice-protocol's vd_agent.h.
CLIPBOARD, MONITORS, GRAB, REQUEST, RELEASE, FILE_START, FILE_STATUS, FILE_DATA = 4, 2, 7, 8, 9, 10, 11, 12
TO_AGENT, FROM_AGENT = 107, 109
SAID = b"what is said to nobody else"


def agent_message(carrier: int, kind: int, *, is_mini: bool) -> bytes:
    """One message for or of the agent, in one of the channel's."""
    content = (1).to_bytes(4, "little") + kind.to_bytes(4, "little") + bytes(8) + len(SAID).to_bytes(4, "little") + SAID
    header = MINI_HEADER.pack(carrier, len(content)) if is_mini else FULL_HEADER.pack(1, carrier, len(content), 0)
    return header + content


def told(carrier: int, kind: int, policy: Policy, *, is_mini: bool) -> bool:
    """Whether the message reaches the other side."""
    if carrier == TO_AGENT:
        messages = spice_messages.viewer_messages(MAIN, is_mini=is_mini, policy=policy, note_input=lambda: None)
    else:
        messages = spice_messages.screen_messages(MAIN, is_mini=is_mini, policy=policy)
    whole = agent_message(carrier, kind, is_mini=is_mini)
    passed = whole if messages is None else b"".join(messages.receive(bytes([each])) for each in whole)
    assert passed == whole or SAID not in passed
    return SAID in passed


@pytest.mark.parametrize("is_mini", [True, False])
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_each_kind_reaches_the_agent_if_the_policy_allows_it(policy: Policy, *, is_mini: bool) -> None:
    pasting = policy.clipboard_to_desktop and not policy.view_only
    files = policy.file_transfer and not policy.view_only
    expected = {
        **dict.fromkeys((CLIPBOARD, GRAB, RELEASE), pasting),
        REQUEST: policy.clipboard_from_desktop,
        **dict.fromkeys((FILE_START, FILE_STATUS, FILE_DATA), files),
        MONITORS: True,
    }
    assert {kind: told(TO_AGENT, kind, policy, is_mini=is_mini) for kind in expected} == expected


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_agents_clipboard_leaves_if_the_policy_allows_it(policy: Policy) -> None:
    for kind in (CLIPBOARD, GRAB, RELEASE):
        assert told(FROM_AGENT, kind, policy, is_mini=True) is policy.clipboard_from_desktop
    assert told(FROM_AGENT, MONITORS, policy, is_mini=True)


def test_where_everything_is_allowed_only_the_inputs_are_looked_at() -> None:
    def looked_at(channel: int) -> bool:
        found = spice_messages.viewer_messages(channel, is_mini=True, policy=EVERYTHING, note_input=lambda: None)
        return found is not None

    assert [channel for channel in spice_messages.CHANNELS if looked_at(channel)] == [INPUTS]
    assert spice_messages.screen_messages(MAIN, is_mini=True, policy=EVERYTHING) is None
