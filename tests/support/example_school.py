"""A school with people, courses' desktops and a history that could be real: what the documentation's pictures show."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.support.portal import portal
from tests.support.running import PASSWORD, Running, running_yunzhuo
from tests.support.waiting import eventually

from yunzhuo.phoenix import cloud as clouds
from yunzhuo.phoenix.cloud.memory import Fault, FaultKind
from yunzhuo.phoenix.common.errors import NotSignedIn
from yunzhuo.services.access import Role, installation
from yunzhuo.services.assembly import Services, services
from yunzhuo.services.policies import PolicySubject
from yunzhuo.services.pools import PoolWish
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.pools import Kind
from yunzhuo.services.rules.schedules import Deed, SubjectKind
from yunzhuo.services.schedules import ScheduleWish
from yunzhuo.services.sessions import Browser
from yunzhuo.services.tokens import TokenWish

TEACHER, HEAD = "lin.mei@school.example", "office@school.example"
BROWSER = Browser("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
PUPILS = ("chen.yu", "zhao.min", "wang.hao", "li.na", "sun.jia", "emma.brown", "noah.smith", "liu.yang")
COURSES = (
    "Data structures",
    "数据结构 实验",
    "Web design",
    "Statistics",
    "计算机网络",
    "Chemistry lab",
    "Python 入门",
    "Robotics",
)


@dataclass
class School:
    """Where it is; who is in it, with the names and addresses of their pages; a desktop whose screen is there."""

    url: str
    screen: str
    pages: dict[str, dict[str, str]] = field(default_factory=dict)

    def email(self, who: str) -> str:
        """The address that somebody signs in with."""
        return {"teacher": TEACHER, "head": HEAD}[who]


@contextmanager
def small_school(home: Path) -> Iterator[School]:
    """On the memory cloud: desktops in every state, for every page."""
    with portal(home) as yunzhuo:
        enroll(yunzhuo.running)
        for name, course in zip(PUPILS, COURSES, strict=True):
            ask(yunzhuo.running.api(f"{name}@school.example"), course, "available")
        teacher = yunzhuo.running.api(TEACHER)
        stopped, suspended = (ask(teacher, name, "available") for name in ("Office", "期末考试"))
        act(teacher, stopped, "stop", "stopped")
        act(teacher, suspended, "suspend", "suspended")
        yunzhuo.weather.faults.set(Fault(operation="servers.create", kind=FaultKind.REFUSE))
        failed = ask(teacher, "Robotics, group 3", "error")
        lesson = ask(teacher, "数据结构 实验课", "available")
        for name in ("Before the update", "初始状态"):
            act(teacher, lesson, "snapshot", "available", name=name)
        act(teacher, lesson, "reboot", "available")
        give_addresses(yunzhuo.running.api(HEAD), keeping=lesson, giving_back=stopped)
        snapshot = teacher.get(f"desktops/{lesson}/snapshots").json()["items"][0]["id"]
        ids = arrange(yunzhuo.running)
        own = f"/desktops/{lesson}"
        yield School(yunzhuo.url, own, pages(own, ids, stopped=stopped, failed=failed, snapshot=snapshot))


def arrange(running: Running) -> dict[str, str]:
    """A class with its teacher, what it may have, a role of the school's own, a partner; answers ids by what they are."""
    with services(running.settings()) as all_services:
        head = all_services.accounts.by_email(HEAD).actor()
        people = {name: all_services.accounts.by_email(f"{name}@school.example").id for name in PUPILS}
        groups = [all_services.groups.create(head, name).id for name in ("计算机 2026 一班", "Robotics club")]
        for name, user_id in people.items():
            all_services.groups.put_member(head, groups[0], user_id)
            if name in PUPILS[5:]:
                all_services.groups.put_member(head, groups[1], user_id)
        teacher = all_services.accounts.by_email(TEACHER)
        all_services.groups.put_member(head, groups[0], teacher.id, is_owner=True)
        for resource, most in ((Resource.DESKTOPS, 60), (Resource.MEMORY_MIB, 131_072)):
            all_services.quotas.put(head, Subject.GROUP, groups[0], resource, most)
        all_services.quotas.put(head, Subject.USER, people[PUPILS[0]], Resource.DESKTOPS, 5)
        exam = {"clipboard_from_desktop": False, "file_transfer": False, "usb": False}
        all_services.policies.put(head, PolicySubject.GROUP, groups[0], exam)
        all_services.policies.put(head, PolicySubject.USER, people[PUPILS[1]], {"view_only": True, "session_seconds": 3600})
        role = all_services.roles.create(
            head, "助教", {"desktop:read": "group", "desktop:reboot": "group", "user:read": "group"}
        )
        all_services.roles.grant(head, role.id, people[PUPILS[6]])
        all_services.organizations.create(head, "第二中学")
        all_services.registration.invite(head, "new.teacher@school.example", Role.TEACHER)
        sign_in_as_people_do(all_services)
        pool = make_pools(all_services, groups)
        schedule = make_schedules(all_services, pool, groups[0])
        return {"pupil": people[PUPILS[0]], "class": groups[0], "pool": pool, "schedule": schedule}


def give_addresses(head: httpx.Client, *, keeping: str, giving_back: str) -> None:
    """Two desktops get a floating IP, one of them for a while."""
    eventually(lambda: "assign_address" in head.get(f"desktops/{keeping}").json()["actions"], 60)
    act(head, keeping, "assign_address", "available")
    act(head, giving_back, "assign_address", "stopped")
    act(head, giving_back, "release_address", "stopped")


def make_pools(all_services: Services, groups: Sequence[str]) -> str:
    """Three pools, of which some have desktops; answers the first one's id."""
    head, teacher = all_services.accounts.by_email(HEAD).actor(), all_services.accounts.by_email(TEACHER)
    image, flavor = all_services.catalog.images(head)[0].id, all_services.catalog.flavors(head)[0].id
    wishes = (
        PoolWish("机房 302", image, flavor, 12, 3, hours=["mon-fri 07:30-18:00 5"], time_zone="Asia/Shanghai"),
        PoolWish("Physics lab", image, flavor, 4, 0, release_after_minutes=30),
        PoolWish("Office", image, flavor, 6, 1, kind=Kind.DEDICATED),
    )
    made = [all_services.pools.create(head, wish).id for wish in wishes]
    for pool_id in made:
        for member in (groups[0], teacher.id):
            all_services.pools.put_member(head, pool_id, member)
    eventually(lambda: all(each.counts.ready >= each.wanted_now for each in all_services.pools.list(head)), 180)
    for name, pool_id in (*((pupil, made[0]) for pupil in PUPILS[:4]), (PUPILS[4], made[1])):
        all_services.claims.claim(all_services.accounts.by_email(f"{name}@school.example").actor(), pool_id)
    all_services.claims.claim(teacher.actor(), made[2])
    return made[0]


def make_schedules(all_services: Services, pool: str, group: str) -> str:
    """Three schedules, of which one was done and one rests; answers the first one's id."""
    head, zone = all_services.accounts.by_email(HEAD).actor(), "Asia/Shanghai"
    wishes = (
        ScheduleWish("晚上关机", "0 22 * * *", Deed.STOP, SubjectKind.POOL, pool, zone),
        ScheduleWish("Before the first lesson", "0 7 * * 1-5", Deed.START, SubjectKind.POOL, pool, zone),
        ScheduleWish("Holidays", "30 6 1 * *", Deed.SUSPEND, SubjectKind.GROUP, group, zone),
    )
    made = [all_services.schedules.create(head, wish).id for wish in wishes]
    all_services.schedules.run(head, made[1])
    all_services.schedules.pause(head, made[2])
    return made[0]


def sign_in_as_people_do(all_services: Services) -> None:
    """A wrong password now and then, and a token for a program."""
    for password in ("not this one", PASSWORD):
        with suppress(NotSignedIn):
            all_services.sign_ins.sign_in(TEACHER, password, client_address="192.0.2.17", browser=BROWSER)
    teacher = all_services.accounts.by_email(TEACHER).actor()
    all_services.tokens.create(teacher, TokenWish("grading script", verbs=["desktop:read"]))


def pages(own: str, ids: dict[str, str], *, stopped: str, failed: str, snapshot: str) -> dict[str, dict[str, str]]:
    """Everybody's pages, by what a picture of them is called. ``own`` is a desktop's address, the others are ids."""
    user = f"/admin/users/{ids['pupil']}"
    return {
        "nobody": {"sign-in": "/sign-in", "register": "/register"},
        "teacher": {
            "list": "/desktops",
            "new-desktop": "/desktops/new",
            "details": f"{own}/details",
            "screen": own,
            "stopped": f"/desktops/{stopped}",
            "failed": f"/desktops/{failed}",
            "delete": f"{own}/delete",
            "size": f"/desktops/{stopped}/size",
            "roll-back": f"{own}/snapshots/{snapshot}/roll-back",
            "personal-files": "/personal-files",
            "profile": "/profile",
            "security": "/security",
            "new-token": "/security/tokens",
            "authenticator": "/security/totp",
            "sign-ins": "/security/sign-ins",
            "sharing": "/sharing",
            "usage": "/usage",
            "password": "/password",
            "not-found": "/desktops/nothing",
        },
        "head": {
            "overview": "/admin",
            "users": "/admin/users",
            "new-user": "/admin/users/new",
            "user": user,
            "delete-user": f"{user}/delete",
            "user-security": f"{user}/security",
            "invitations": "/admin/invitations",
            "import": "/admin/users/import",
            "groups": "/admin/groups",
            "group": f"/admin/groups/{ids['class']}",
            "pools": "/admin/pools",
            "pool": f"/admin/pools/{ids['pool']}",
            "new-pool": "/admin/pools/new",
            "rollout": f"/admin/pools/{ids['pool']}/rollout",
            "idle": "/admin/idle",
            "leases": "/admin/leases",
            "calendar": "/admin/calendar",
            "bin": "/bin",
            "schedules": "/admin/schedules",
            "schedule": f"/admin/schedules/{ids['schedule']}",
            "new-schedule": "/admin/schedules/new",
            "roles": "/admin/roles",
            "quotas": "/admin/quotas",
            "organizations": "/admin/organizations",
            "audit": "/admin/audit",
            "operations": "/admin/operations",
            "screens": "/admin/screens",
            "policies": "/admin/policies",
            "addresses": "/admin/addresses",
            "gateways": "/admin/gateways",
            "all-desktops": "/admin/desktops",
            "machine": f"{own}/machine",
            "rescue": f"{own}/machine/rescue",
            "console-log": f"{own}/console-log",
            "hosts": "/admin/hosts",
            "catalog": "/admin/catalog",
            "license": "/admin/license",
            "settings": "/admin/settings",
        },
    }


@contextmanager
def real_school(home: Path) -> Iterator[School]:
    """With real machines: a few desktops, in which something is open."""
    with running_yunzhuo(home) as yunzhuo:
        enroll(yunzhuo)
        teacher = yunzhuo.api(TEACHER)
        cloud = clouds.connect(yunzhuo.settings())
        opened = {
            "期末考试": "pcmanfm /usr/share",
            "Statistics": "lxterminal --no-remote --geometry=90x26 -e top",
            "Data structures": "lxterminal --no-remote --geometry=90x26 -e 'less -N /usr/share/common-licenses/Apache-2.0'",
        }
        ids = {name: ask(teacher, name, "available") for name in opened}
        for name, command in opened.items():
            server = cloud.servers.find(ids[name])
            assert server is not None
            cloud.guest.run(server.id, ["/bin/sh", "-c", f"/etc/desktop/as-user {command} >/dev/null 2>&1 &"])
            for file in ("lesson-07.pdf", "课件.odp", "results.csv"):
                cloud.guest.write_piece(server.id, f"Downloads/{file}", b"0" * 48_213, offset=0)
        act(teacher, ids["期末考试"], "suspend", "suspended")
        cloud.close()
        yield School(yunzhuo.url, f"/desktops/{ids['Data structures']}")


def enroll(running: Running) -> None:
    """Everybody gets an account."""
    with services(running.settings()) as all_services:
        itself = installation(all_services.accounts.default_organization_id())
        people = {TEACHER: Role.TEACHER, HEAD: Role.OPERATOR} | {f"{name}@school.example": Role.USER for name in PUPILS}
        for email, role in people.items():
            all_services.people.create(itself, email, role, password=PASSWORD)


def ask(api: httpx.Client, name: str, state: str) -> str:
    """Ask for a desktop of the default kind and wait for its state; answers its id."""
    wish = {kind.rstrip("s"): api.get(kind).json()["items"][0]["id"] for kind in ("images", "flavors")}
    answer = api.post("desktops", json={**wish, "name": name})
    assert answer.status_code == 202, answer.text
    desktop_id = str(answer.json()["desktop"]["id"])
    wait_for(api, desktop_id, state)
    return desktop_id


def act(api: httpx.Client, desktop_id: str, action: str, state: str, **more: str) -> None:
    """Ask for a change and wait until it is made."""
    answer = api.post(f"desktops/{desktop_id}/actions", json={"action": action, **more})
    assert answer.status_code == 202, answer.text
    wait_for(api, desktop_id, state)


def wait_for(api: httpx.Client, desktop_id: str, state: str) -> None:
    """Until a desktop is in a state and nothing is done to it."""

    def is_there() -> bool:
        desktop = api.get(f"desktops/{desktop_id}").json()
        return desktop["state"] == state and bool(desktop["operation"]["ended_at"])

    eventually(is_there, 180)
