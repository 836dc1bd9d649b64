"""Personal files with real machines: they follow to a second desktop, outlive a rebuild and a deletion, and go back in time."""

import re
import secrets

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.support.inside import as_person, mounted
from tests.support.running import PASSWORD, Running
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.machine,
    pytest.mark.browser,
    pytest.mark.servers,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("e2e"),
]

NOTE = "/home/user/Personal/note.txt"
# A rebuilt desktop is a clone again; all else here is quicker still.
PATIENCE_SECONDS = 180


def test_files_follow_outlive_and_go_back(yunzhuo: Running, page: Page) -> None:
    email = f"keeper-{secrets.token_hex(4)}@school.local"
    api = yunzhuo.api(yunzhuo.add_user(email))
    first = desktop(api, "First")
    set_up_on_the_page(page, yunzhuo, email)
    bring_on_the_page(page, "First")
    mounted(yunzhuo, first)
    as_person(yunzhuo, first, f"echo one > {NOTE}")
    assert as_person(yunzhuo, first, f"stat -c %U {NOTE}") == "user"

    second = desktop(api, "Second")
    assert api.get("personal-disk").json()["desktop"]["id"] == first
    page.goto(f"{yunzhuo.url}/personal-files")
    bring_on_the_page(page, "Second")
    mounted(yunzhuo, second)
    assert as_person(yunzhuo, second, f"cat {NOTE}") == "one"
    assert as_person(yunzhuo, first, "ls -d /home/user/Personal || echo gone") == "gone"
    expect(page.locator(".disk-usage")).to_be_visible(timeout=60_000)

    kept = api.post("personal-disk/snapshots", json={"name": "one"}).json()["snapshots"][0]["id"]
    as_person(yunzhuo, second, f"echo two > {NOTE}")
    ended(api, api.post(f"personal-disk/snapshots/{kept}/restore"))
    mounted(yunzhuo, second)
    assert as_person(yunzhuo, second, f"cat {NOTE}") == "one"

    as_person(yunzhuo, second, f"echo three > {NOTE}; echo local > /home/user/local.txt")
    ended(api, api.post(f"desktops/{second}/actions", json={"action": "rebuild"}))
    mounted(yunzhuo, second)
    assert as_person(yunzhuo, second, f"cat {NOTE}; ls /home/user/local.txt || echo gone") == "three\ngone"

    ended(api, api.post(f"desktops/{second}/actions", json={"action": "suspend"}))
    assert api.get("personal-disk").json()["state"] == "free"
    ended(api, api.post(f"desktops/{second}/actions", json={"action": "resume"}))
    mounted(yunzhuo, second)
    assert as_person(yunzhuo, second, f"cat {NOTE}") == "three"

    as_person(yunzhuo, second, f"echo four > {NOTE}")
    assert api.delete(f"desktops/{second}").status_code == 202
    eventually(lambda: api.get("personal-disk").json()["state"] == "free", PATIENCE_SECONDS, what="a free disk")
    third = desktop(api, "Third")
    mounted(yunzhuo, third)
    assert as_person(yunzhuo, third, f"cat {NOTE}") == "four"
    for desktop_id in (first, third):
        api.delete(f"desktops/{desktop_id}")


def desktop(api: httpx.Client, name: str) -> str:
    """A new desktop that is available; answers its id."""
    wish = {kind.rstrip("s"): api.get(kind).json()["items"][0]["id"] for kind in ("images", "flavors")}
    desktop_id: str = api.post("desktops", json={**wish, "name": name}).json()["desktop"]["id"]
    eventually(lambda: api.get(f"desktops/{desktop_id}").json()["state"] == "available", PATIENCE_SECONDS, what=name)
    return desktop_id


def set_up_on_the_page(page: Page, yunzhuo: Running, email: str) -> None:
    page.goto(f"{yunzhuo.url}/sign-in?next=/personal-files")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Set up my personal disk").click()
    expect(page.get_by_text("Your personal disk is there.")).to_be_visible()


def bring_on_the_page(page: Page, name: str) -> None:
    page.get_by_role("link", name=f"Bring my files here… {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Bring them here").click()
    expect(page.get_by_text(re.compile(f"At “{name}”"))).to_be_visible(timeout=60_000)


def ended(api: httpx.Client, answer: httpx.Response) -> None:
    """Wait for the operation that an answer tells of."""
    assert answer.status_code == 202, answer.text
    operation_id = answer.json()["operation"]["id"]

    def has_ended() -> bool:
        operation = api.get(f"operations/{operation_id}").json()
        assert operation["status"] != "failed", operation
        return bool(operation["status"] == "succeeded")

    eventually(has_ended, PATIENCE_SECONDS, what=lambda: str(api.get(f"operations/{operation_id}").json()))
