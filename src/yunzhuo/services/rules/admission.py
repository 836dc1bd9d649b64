"""Who is let in next when the cloud is to bear only so much at once: fair between organizations and people.

The rule is max-min fairness: the organization with the least going on is served first, in it the person with the least
going on, of theirs what has waited longest. Between those who have as little, it is the turn of who has waited longest since
they asked or were last served. So five hundred desktops for a class and one for a student take turns, and nobody waits for
ever: whoever has nothing going on is passed only by those who were in line before them, and by each of them once.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush

from yunzhuo.services.rules.lifecycle import Action


class Lane(StrEnum):
    """What the cloud bears only so much of at once."""

    BUILD = "build"
    START = "start"


#: What is not here costs the cloud little, or gives something back: it is always let in.
LANES: Mapping[Action, Lane] = {
    Action.CREATE: Lane.BUILD,
    Action.REBUILD: Lane.BUILD,
    Action.RESIZE: Lane.BUILD,
    Action.ROLL_BACK: Lane.BUILD,
    Action.START: Lane.START,
    Action.REBOOT: Lane.START,
    Action.RESUME: Lane.START,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a lane may go on at once, and how much may begin in a second. None: as much as wanted."""

    cloud: int | None = None
    host: int | None = None
    organization: int | None = None
    per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Whose something is and where. ``host`` None: the cloud has not said yet."""

    organization_id: str
    user_id: str
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What one person wants on one host: how many wait, the first of them since when; when the person was served last."""

    place: Place
    oldest: datetime
    length: int
    last_served: datetime | None = None

    @property
    def since(self) -> datetime:
        """Since when it has been waiting for its turn."""
        return self.oldest if self.last_served is None else max(self.oldest, self.last_served)


@dataclass(frozen=True, slots=True)
class Standing:
    """Who waits and what goes on; ``organizations_served`` says when one of each was let in last."""

    lines: Sequence[Line]
    in_use: Mapping[Place, int]
    organizations_served: Mapping[str, datetime] = field(default_factory=dict)


def room(limits: Limits, in_use: int, begun_lately: int) -> int:
    """How many may be let in now; ``begun_lately`` is how many began in the last second."""
    free = math.inf if limits.cloud is None else limits.cloud - in_use
    if limits.per_second is not None:
        # A pace of less than one a second still lets one in.
        free = min(free, max(limits.per_second, 1.0) - begun_lately)
    return max(0, math.floor(free)) if math.isfinite(free) else _ALL


_ALL = 1_000_000


def order(standing: Standing, limits: Limits = Limits()) -> Iterator[Place]:
    """Whom to let in, one after the other, until nobody waits whom the limits of hosts and organizations do not hold back.

    As if nobody left meanwhile; how many of them there is room for is the caller's to say (:func:`room`).
    """
    going_on = _GoingOn(standing.in_use, limits)
    organizations = _organizations(standing.lines)
    turns = _Turns()
    for name, people in organizations.items():
        served = standing.organizations_served.get(name)
        oldest = min(person.since for person in people.values())
        turns.put(going_on.of_organization[name], max(oldest, served) if served else oldest, name)
    people_turns = {name: _Turns() for name in organizations}
    for name, people in organizations.items():
        for user, person in people.items():
            people_turns[name].put(going_on.of_person[name, user], person.since, user)
    while (organization := turns.take()) is not None:
        place = _next_of(organizations[organization], people_turns[organization], going_on, organization)
        if place is not None:  # else nobody of theirs can be let in any more: what goes on only grows here
            yield place
            turns.put_back(going_on.of_organization[organization], organization)


def _next_of(people: Mapping[str, "_Person"], turns: "_Turns", going_on: "_GoingOn", organization: str) -> Place | None:
    """The place of the organization's next one, counted as let in; None when there is none."""
    while going_on.organization_has_room(organization) and (user := turns.take()) is not None:
        place = people[user].take(going_on)
        if place is not None:
            going_on.count(place, 1)
            turns.put_back(going_on.of_person[organization, user], user)
            return place
    return None


_LATEST = datetime.max.replace(tzinfo=UTC)


class _Turns:
    """Whose turn it is: who has the least going on, then who has waited longest; who was served here waits from then on."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, datetime, str]] = []
        self._served = 0

    def put(self, count: int, since: datetime, name: str) -> None:
        heappush(self._heap, (count, 0, since, name))

    def put_back(self, count: int, name: str) -> None:
        self._served += 1
        heappush(self._heap, (count, self._served, _LATEST, name))

    def take(self) -> str | None:
        return heappop(self._heap)[-1] if self._heap else None


class _Person:
    """What one person waits for, host by host, what has waited longest first."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.since = min(line.since for line in lines)
        self._lines = sorted(lines, key=lambda line: line.oldest)
        self._left = [line.length for line in self._lines]

    def take(self, going_on: "_GoingOn") -> Place | None:
        for number, line in enumerate(self._lines):
            if self._left[number] and going_on.host_has_room(line.place.host):
                self._left[number] -= 1
                return line.place
        return None


def _organizations(lines: Sequence[Line]) -> Mapping[str, Mapping[str, _Person]]:
    theirs: dict[str, dict[str, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        theirs[line.place.organization_id][line.place.user_id].append(line)
    return {name: {user: _Person(waiting) for user, waiting in users.items()} for name, users in theirs.items()}


class _GoingOn:
    """What goes on, with those who have been let in since."""

    def __init__(self, in_use: Mapping[Place, int], limits: Limits) -> None:
        self._limits = limits
        self.of_organization: Counter[str] = Counter()
        self.of_person: Counter[tuple[str, str]] = Counter()
        self._on_host: Counter[str] = Counter()
        for place, count in in_use.items():
            self.count(place, count)

    def organization_has_room(self, organization: str) -> bool:
        limit = self._limits.organization
        return limit is None or self.of_organization[organization] < limit

    def host_has_room(self, host: str | None) -> bool:
        return host is None or self._limits.host is None or self._on_host[host] < self._limits.host

    def count(self, place: Place, count: int) -> None:
        self.of_organization[place.organization_id] += count
        self.of_person[place.organization_id, place.user_id] += count
        if place.host is not None:
            self._on_host[place.host] += count


def positions(standing: Standing, wanted: Mapping[str, tuple[Place, int]]) -> Mapping[str, int]:
    """How many are let in until it is the turn of each of ``wanted`` (itself counted), if nobody else comes.

    ``wanted`` says of each, under any name, whose it is and the how manieth of that person's waiting ones.
    """
    names: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for name, (place, rank) in wanted.items():
        names[place.organization_id, place.user_id, rank].append(name)
    found: dict[str, int] = {}
    served: Counter[tuple[str, str]] = Counter()
    for position, place in enumerate(order(standing), start=1):
        if len(found) == len(wanted):
            break
        person = (place.organization_id, place.user_id)
        served[person] += 1
        found.update(dict.fromkeys(names.get((*person, served[person]), ()), position))
    return found


def expected_wait_seconds(position: int, going_on: int, typical_seconds: float | None) -> float | None:
    """About how long until the one at ``position`` is let in, when as many go on at once as now and each takes as long as
    the last ones did; None when nobody knows yet."""
    if typical_seconds is None or going_on < 1:
        return None
    return math.ceil(position / going_on) * typical_seconds


LONGEST_LEAD = timedelta(minutes=30)


def lead(count: int, limits: Limits, hosts: int, typical_seconds: float) -> timedelta:
    """How long before all of ``count`` have to be there the first of them is let in: as many at once as the cloud and ``hosts``
    hosts take, at the pace that is set, each as long as the last ones took; half an hour at most."""
    if count < 1:
        return timedelta(0)
    at_once = [limits.cloud, limits.organization, limits.host * max(hosts, 1) if limits.host is not None else None]
    waves = math.ceil(count / max(1, min((each for each in at_once if each is not None), default=count)))
    paced = 0.0 if limits.per_second is None else count / max(limits.per_second, 1.0)
    return min(LONGEST_LEAD, timedelta(seconds=math.ceil(waves * typical_seconds + paced)))
