"""The steps in which a server is made, on another host where one has failed; each is one look at the cloud or one wish."""

from yunzhuo.phoenix.cloud.errors import ServerNotFound
from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.resources import Server, ServerRequest, ServerStatus
from yunzhuo.services import build_tries
from yunzhuo.services.build_tries import BuildTry
from yunzhuo.services.outcomes import Outcome, ServerFailed, Subject, seen, why

# A host that makes nothing may not delete either. Nobody waits for that: what is still there then carries our tag and has
# departed, and the reconciler asks for its end again and again.
_WAITS_SECONDS = 10.0


def make(cloud: Cloud, subject: Subject) -> Outcome:
    """Ask for the server, or find the one that an earlier try of this step has made."""
    build = subject.build
    given_up = build.given_up if build else ()
    is_unasked = build is not None and build.is_unasked
    found = None if is_unasked else cloud.servers.find(subject.desktop_id, subject.project_id)
    if found is not None and found.status is ServerStatus.ERROR and found.id not in given_up:
        # What an earlier try left broken never becomes whole: it makes room for a new one.
        cloud.servers.delete(found.id)
        return Outcome(done=False, detail="Removing what failed before.")
    server = cloud.servers.create(
        ServerRequest(
            desktop_id=subject.desktop_id,
            name=subject.name,
            hostname=subject.hostname,
            image_id=subject.image_cloud_id,
            flavor_id=subject.flavor_cloud_id,
            network_id=subject.arguments.get("network"),
            security_group_ids=tuple(filter(None, subject.arguments.get("security_groups", "").split(","))),
            language=subject.language,
            user_data=subject.user_data,
            project_id=subject.project_id,
            avoid_hosts=build.avoid_hosts if build else (),
            given_up=given_up,
            is_absent=found is None,
        )
    )
    return seen(server, done=True)


def judged(cloud: Cloud, build: BuildTry, server: Server) -> Outcome | None:
    """What follows when a server was not made; None: nothing yet, or nothing special. After the last try: ServerFailed."""
    lost = build_tries.judge(cloud, build, server)
    if lost is not None:
        return Outcome(done=False, lost=lost)
    if build_tries.is_hopeless(build, server):
        message = f"No host made the virtual machine within {build.build_seconds:.0f} s{build_tries.tried(build)}."
        raise ServerFailed("server_not_made", message, server, hosts=_hosts(build))
    if server.status is ServerStatus.ERROR and build.number > 1:
        message = f"The virtual machine was not made{build_tries.tried(build)}: {why(server)}"
        raise ServerFailed("server_failed", message, server, hosts=_hosts(build))
    return None


def _hosts(build: BuildTry) -> list[str]:
    """All that had it, as far as that is told."""
    return [*build.avoid_hosts, *([build.host] if build.host else [])]


def give_up(cloud: Cloud, subject: Subject) -> Outcome:
    """Have what was half made deleted."""
    if subject.server_id is not None:
        cloud.servers.delete(subject.server_id)
    return Outcome(done=True)


def await_end(cloud: Cloud, subject: Subject) -> Outcome:
    """Look whether it is gone, for a while."""
    build = subject.build
    if build is None or not build.given_up:
        return Outcome(done=True)
    try:
        cloud.servers.get(build.given_up[-1])
    except ServerNotFound:
        return Outcome(done=True)
    if build.waited_seconds < _WAITS_SECONDS:
        return Outcome(done=False)
    return Outcome(done=True, detail="The cloud is still removing it; that is looked after apart.")
