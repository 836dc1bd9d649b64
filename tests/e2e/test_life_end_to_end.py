"""What comes back and what does not of a real machine, by snapshots, over a restart of Yunzhuo, and by a rebuild."""

import secrets
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.support.running import PASSWORD, Running
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds

pytestmark = [
    pytest.mark.machine,
    pytest.mark.browser,
    pytest.mark.servers,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("e2e"),
]

PATIENCE_SECONDS = 240
# Knows a word by heart alone, and says it to a file when asked by USR1; HUP lets it learn the word that is in the file.
KEEPER = """
word=$1
trap 'echo "$word" > /run/user/1000/told' USR1
trap 'read -r word < /run/user/1000/told' HUP
while :; do sleep 0.1; done
"""


class Sitting:
    """A person's desktop, asked from inside."""

    def __init__(self, yunzhuo: Running, email: str) -> None:
        self.yunzhuo = yunzhuo
        self.email = email
        self.api: httpx.Client = yunzhuo.api(email)
        wish = {kind.rstrip("s"): self.api.get(kind).json()["items"][0]["id"] for kind in ("images", "flavors")}
        self.id: str = self.api.post("desktops", json=wish).json()["desktop"]["id"]
        self.settle("available")

    def settle(self, state: str) -> dict[str, Any]:
        """Wait until no change is going on and the desktop is in this state."""

        def settled() -> dict[str, Any] | None:
            desktop: dict[str, Any] = self.api.get(f"desktops/{self.id}").json()
            assert desktop["operation"]["status"] != "failed", desktop["operation"]
            return desktop if desktop["state"] == state and desktop["operation"]["status"] == "succeeded" else None

        return eventually(settled, PATIENCE_SECONDS, what=state)

    def ask(self, method: str, path: str, state: str, **body: object) -> dict[str, Any]:
        """Ask the API for a change of the desktop, and wait for its end."""
        answer = self.api.request(method, f"desktops/{self.id}/{path}", json=body)
        assert answer.status_code == 202, answer.text
        return self.settle(state)

    def inside(self, script: str) -> str:
        """What a shell in the desktop says, as its person."""
        cloud = clouds.connect(self.yunzhuo.settings())
        try:
            server = cloud.servers.find(self.id)
            assert server is not None
            result = cloud.guest.run(server.id, ["/etc/desktop/as-user", "/bin/sh", "-c", script], timeout_seconds=60)
            assert result.exit_code == 0, (script, result)
            return result.stdout.decode().strip()
        finally:
            cloud.close()

    def open_keeper(self, word: str) -> str:
        """Start a program that knows ``word``; answers its pid."""
        return self.inside(f"setsid sh -c {shlex.quote(KEEPER)} sh {word} >/dev/null 2>&1 & echo $!")

    def pids(self, word: str) -> list[str]:
        """The programs that were started with ``word``."""
        # The brackets keep the question from finding itself.
        return self.inside(f"pgrep -f '[{word[0]}]{word[1:]}' || true").split()

    def told(self, pid: str) -> str:
        """What the program with this pid says that it knows."""
        file = "/run/user/1000/told"
        return self.inside(f"rm -f {file}; kill -USR1 {pid}; until [ -s {file} ]; do sleep 0.1; done; cat {file}")


@pytest.fixture
def sitting(yunzhuo: Running) -> Iterator[Sitting]:
    sitting = Sitting(yunzhuo, yunzhuo.add_user(f"keeper-{secrets.token_hex(4)}@school.local"))
    yield sitting
    sitting.api.delete(f"desktops/{sitting.id}")
    eventually(lambda: sitting.api.get("desktops").json()["items"] == [], 60)


def test_what_a_rollback_a_resume_and_a_rebuild_bring_back(yunzhuo: Running, page: Page, sitting: Sitting) -> None:
    word = secrets.token_hex(8)
    sitting.inside("echo before > ~/work; sync")
    keeper = sitting.open_keeper(word)
    assert sitting.told(keeper) == word

    sitting.ask("POST", "snapshots", "available", name="Before the change")
    sitting.inside(f"echo after > ~/work; echo other > /run/user/1000/told; kill -HUP {keeper}; sleep 1; sync")
    later = secrets.token_hex(8)
    assert sitting.pids(later) == []
    assert [sitting.open_keeper(later)] == sitting.pids(later)
    assert (sitting.told(keeper), sitting.inside("cat ~/work")) == ("other", "after")
    (snapshot,) = sitting.api.get(f"desktops/{sitting.id}/snapshots").json()["items"]
    assert snapshot["has_memory"]
    sitting.ask("POST", f"snapshots/{snapshot['id']}/roll-back", "available")
    assert (sitting.told(keeper), sitting.pids(later), sitting.inside("cat ~/work")) == (word, [], "before")

    boot = sitting.inside("cat /proc/sys/kernel/random/boot_id")
    card = suspended_by_hand(page, sitting)
    yunzhuo.restart()
    assert sitting.api.get(f"desktops/{sitting.id}").json()["state"] == "suspended"
    page.reload()
    card.get_by_role("button", name="Resume").click()
    expect(card).to_have_attribute("data-state", "available", timeout=PATIENCE_SECONDS * 1000)
    sitting.settle("available")
    assert (sitting.told(keeper), sitting.inside("cat /proc/sys/kernel/random/boot_id")) == (word, boot)

    who = sitting.inside("cat /etc/machine-id")
    sitting.ask("POST", "actions", "available", action="rebuild")
    assert sitting.inside("test -e ~/work && echo there || echo gone") == "gone"
    assert sitting.inside("cat /etc/machine-id") != who
    assert sitting.pids(word) == []
    assert sitting.api.get(f"desktops/{sitting.id}/snapshots").json()["items"] == []


def suspended_by_hand(page: Page, sitting: Sitting) -> Any:
    """Suspend the desktop in the portal; the answer is its card there."""
    page.goto(f"{sitting.yunzhuo.url}/sign-in?next=/desktops")
    page.get_by_label("E-mail address").fill(sitting.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    card = page.locator(f"#desktop-{sitting.id}")
    card.locator(f"#desktop-{sitting.id}-menu-button").click()
    card.get_by_role("button", name="Suspend").click()
    expect(card).to_have_attribute("data-state", "suspended", timeout=PATIENCE_SECONDS * 1000)
    sitting.settle("suspended")
    return card
