"""How each service method of the matrix is asked, with what it takes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.access.cloud_methods import CLOUD_METHODS
from tests.access.world import Target, World
from tests.support.installation import PASSWORD, START
from yunzhuo.services.access import Actor, Role
from yunzhuo.services.audit_search import AuditWish
from yunzhuo.services.bulk import Outcome
from yunzhuo.services.care import CareDeed
from yunzhuo.services.consoles import ConsoleProtocol
from yunzhuo.services.desktop_table import TableWish
from yunzhuo.services.desktops import NewDesktop
from yunzhuo.services.gateways import GatewayState
from yunzhuo.services.list_files import FileKind
from yunzhuo.services.operation_desk import Dealt, OperationWish
from yunzhuo.services.people import DesktopsOfDeleted
from yunzhuo.services.people_import import Change, PersonOutcome
from yunzhuo.services.policies import PolicySubject
from yunzhuo.services.pools import PoolWish
from yunzhuo.services.quotas import Resource, Subject
from yunzhuo.services.rules.idle import Terms as IdleTerms
from yunzhuo.services.rules.leases import Terms
from yunzhuo.services.rules.lifecycle import Action
from yunzhuo.services.rules.remedies import Remedy
from yunzhuo.services.rules.rollouts import Pace
from yunzhuo.services.rules.schedules import Deed, SubjectKind
from yunzhuo.services.schedules import ScheduleWish
from yunzhuo.services.step_up import Proven
from yunzhuo.services.tokens import TokenWish

Ask = Callable[[World, Actor, Target], Any]
NEW = "new@school.local"
GRANTS = {"desktop:read": "organization"}


def _wish(world: World) -> NewDesktop:
    return NewDesktop(world.yunzhuo.services.catalog.images(world.actors[Role.USER])[0].id, _flavor(world, 0))


def _refusing(outcome: Outcome | Dealt | PersonOutcome) -> None:
    """One of several: raises what it was refused with."""
    if outcome.refusal is not None:
        raise outcome.refusal


def _flavor(world: World, index: int) -> str:
    return world.yunzhuo.services.catalog.flavors(world.actors[Role.USER])[index].id


def _request(world: World, actor: Actor, target: Target) -> object:
    image = world.yunzhuo.services.catalog.images(world.actors[Role.USER])[0].id
    return world.yunzhuo.services.desktops.request(actor, image_id=image, flavor_id=_flavor(world, 0))


def _proof(world: World, actor: Actor) -> Proven:
    """The actor's password, given again."""
    return world.yunzhuo.services.step_up.by_password(actor, PASSWORD)


def _of(name: str) -> Callable[[World], Any]:
    return lambda world: getattr(world.yunzhuo.services, name)


accounts, audit, catalog, delegations = _of("accounts"), _of("audit_reader"), _of("catalog"), _of("delegations")
desktops, groups, guests, organizations = _of("desktops"), _of("groups"), _of("guests"), _of("organizations")
addresses, configuration = _of("addresses"), _of("configuration")
gateways, licensing, screens = _of("gateways"), _of("licensing"), _of("screens")
overview, people, lists, quotas = _of("overview"), _of("people"), _of("people_import"), _of("quotas")
care = _of("care")
bulk, operations, disks = _of("bulk"), _of("operations"), _of("personal_disks")
factors, passkeys, registration = _of("factors"), _of("passkeys"), _of("registration")
sessions, tokens = _of("sessions"), _of("tokens")
claims, policies, pools = _of("claims"), _of("policies"), _of("pools")
bins, idle, leases, rollouts = _of("bin"), _of("idle"), _of("leases"), _of("rollouts")
schedules, timers = _of("schedules"), _of("timers")
roles, snapshots, usage = _of("roles"), _of("snapshots"), _of("usage")

METHODS: Mapping[str, Ask] = {
    "accounts.change_password": lambda w, a, t: accounts(w).change_password(a, PASSWORD, "another horse battery"),
    "accounts.choose_language": lambda w, a, t: accounts(w).choose_language(a, "zh_CN"),
    "accounts.choose_time_zone": lambda w, a, t: accounts(w).choose_time_zone(a, "Asia/Shanghai"),
    "audit_keeper.verify_for": lambda w, a, t: w.yunzhuo.services.audit_keeper.verify_for(a),
    "audit_reader.export": lambda w, a, t: list(audit(w).export(a, AuditWish())),
    "audit_reader.search": lambda w, a, t: audit(w).search(a, AuditWish()),
    "bulk.change": lambda w, a, t: _refusing(bulk(w).change(a, [t.desktop], Action.STOP).items[0]),
    "bulk.create": lambda w, a, t: _refusing(bulk(w).create(a, [_wish(w)]).items[0]),
    "bulk.create for": lambda w, a, t: _refusing(bulk(w).create(a, [replace(_wish(w), owner_id=t.user)]).items[0]),
    "catalog.flavors": lambda w, a, t: catalog(w).flavors(a),
    "catalog.images": lambda w, a, t: catalog(w).images(a),
    "configuration.apply": lambda w, a, t: configuration(w).apply(a, {}, configuration(w).plan(a, {}).fingerprint),
    "configuration.export": lambda w, a, t: configuration(w).export(a),
    "configuration.plan": lambda w, a, t: configuration(w).plan(a, {}),
    "consoles.allowed": lambda w, a, t: w.yunzhuo.services.consoles.allowed(a, t.desktop),
    "consoles.open": lambda w, a, t: w.yunzhuo.services.consoles.open(a, t.desktop, ConsoleProtocol.VNC),
    "delegations.let": lambda w, a, t: delegations(w).let(
        a, t.user, ["desktop:start"], w.yunzhuo.clock.now() + timedelta(days=1)
    ),
    "delegations.list": lambda w, a, t: delegations(w).list(a),
    "delegations.take_back": lambda w, a, t: delegations(w).take_back(a, t.user),
    "desktop_table.page": lambda w, a, t: w.yunzhuo.services.desktop_table.page(a, TableWish()),
    "desktops.act delete": lambda w, a, t: desktops(w).act(a, t.desktop, Action.DELETE),
    "desktops.act force_delete": lambda w, a, t: desktops(w).act(a, t.desktop, Action.FORCE_DELETE),
    "desktops.act reboot": lambda w, a, t: desktops(w).act(a, t.desktop, Action.REBOOT),
    "desktops.act stop": lambda w, a, t: desktops(w).act(a, t.desktop, Action.STOP),
    "desktops.act suspend": lambda w, a, t: desktops(w).act(a, t.desktop, Action.SUSPEND),
    "desktops.get": lambda w, a, t: desktops(w).get(a, t.desktop),
    "desktops.list": lambda w, a, t: desktops(w).list(a),
    "desktops.operation": lambda w, a, t: desktops(w).operation(a, t.operation),
    "desktops.rebuild": lambda w, a, t: desktops(w).rebuild(a, t.desktop),
    "desktops.rename": lambda w, a, t: desktops(w).rename(a, t.desktop, "Renamed"),
    "desktops.request": _request,
    "care.console_log": lambda w, a, t: care(w).console_log(a, t.desktop),
    "care.do": lambda w, a, t: care(w).do(a, t.desktop, CareDeed.UNLOCK),
    "care.security_groups": lambda w, a, t: care(w).security_groups(a, t.desktop),
    "care.set_security_groups": lambda w, a, t: care(w).set_security_groups(a, t.desktop, []),
    "desktops.resize": lambda w, a, t: desktops(w).resize(a, t.desktop, _flavor(w, 1)),
    "desktops.sizes": lambda w, a, t: desktops(w).sizes(a, t.desktop),
    "events.missed_by": lambda w, a, t: w.yunzhuo.services.events.missed_by(a, 0),
    "factors.confirm_totp": lambda w, a, t: factors(w).confirm_totp(a, _proof(w, a), "000000"),
    "factors.new_recovery_codes": lambda w, a, t: factors(w).new_recovery_codes(a, _proof(w, a)),
    "factors.of": lambda w, a, t: factors(w).of(a),
    "factors.offer_totp": lambda w, a, t: factors(w).offer_totp(a, _proof(w, a)),
    "factors.offered_totp": lambda w, a, t: factors(w).offered_totp(a),
    "factors.remove_totp": lambda w, a, t: factors(w).remove_totp(a, _proof(w, a)),
    "factors.reset": lambda w, a, t: factors(w).reset(a, t.user),
    "claims.claim": lambda w, a, t: claims(w).claim(a, t.pool),
    "claims.mine": lambda w, a, t: claims(w).mine(a),
    "claims.release": lambda w, a, t: claims(w).release(a, t.pool),
    "schedules.change": lambda w, a, t: schedules(w).change(a, t.schedule, lambda wish: replace(wish, rule="0 23 * * *")),
    "schedules.create": lambda w, a, t: schedules(w).create(
        a, ScheduleWish("new", "0 7 * * *", Deed.START, SubjectKind.POOL, t.pool)
    ),
    "schedules.delete": lambda w, a, t: schedules(w).delete(a, t.schedule),
    "schedules.get": lambda w, a, t: schedules(w).get(a, t.schedule),
    "schedules.list": lambda w, a, t: schedules(w).list(a),
    "schedules.pause": lambda w, a, t: schedules(w).pause(a, t.schedule),
    "schedules.resume": lambda w, a, t: schedules(w).resume(a, t.schedule),
    "schedules.run": lambda w, a, t: schedules(w).run(a, t.schedule),
    "schedules.runs": lambda w, a, t: schedules(w).runs(a),
    "timers.list": lambda w, a, t: timers(w).list(a),
    "bin.undelete": lambda w, a, t: bins(w).undelete(a, t.desktop),
    "idle.drop": lambda w, a, t: idle(w).drop(a, t.pool),
    "idle.list": lambda w, a, t: idle(w).list(a),
    "idle.put": lambda w, a, t: idle(w).put(a, t.pool, IdleTerms(disconnected_minutes=30)),
    "leases.calendar": lambda w, a, t: leases(w).calendar(a, START, START + timedelta(days=9)),
    "leases.drop_terms": lambda w, a, t: leases(w).drop_terms(a, t.pool),
    "leases.extend": lambda w, a, t: leases(w).extend(a, t.desktop),
    "leases.put_terms": lambda w, a, t: leases(w).put_terms(a, t.pool, Terms(days=30)),
    "leases.set_end": lambda w, a, t: leases(w).set_end(a, t.desktop, START + timedelta(days=9)),
    "leases.terms": lambda w, a, t: leases(w).terms(a),
    "pool_history.times": lambda w, a, t: w.yunzhuo.services.pool_history.times(a, t.pool),
    "pool_history.today": lambda w, a, t: w.yunzhuo.services.pool_history.today(a, t.pool),
    "pools.change": lambda w, a, t: pools(w).change(a, t.pool, lambda wish: replace(wish, capacity=9)),
    "pools.create": lambda w, a, t: pools(w).create(a, PoolWish("new", _wish(w).image_id, _flavor(w, 0), 3, 1)),
    "pools.delete": lambda w, a, t: pools(w).delete(a, t.pool),
    "pools.drop_member": lambda w, a, t: pools(w).drop_member(a, t.pool, w.bystander),
    "pools.get": lambda w, a, t: pools(w).get(a, t.pool),
    "pools.list": lambda w, a, t: pools(w).list(a),
    "pools.members": lambda w, a, t: pools(w).members(a, t.pool),
    "pools.put_member": lambda w, a, t: pools(w).put_member(a, t.pool, w.bystander),
    "rollouts.advance": lambda w, a, t: rollouts(w).advance(a, t.pool, 0),
    "rollouts.back": lambda w, a, t: rollouts(w).back(a, t.pool),
    "rollouts.get": lambda w, a, t: rollouts(w).get(a, t.pool),
    "rollouts.pause": lambda w, a, t: rollouts(w).pause(a, t.pool),
    "rollouts.resume": lambda w, a, t: rollouts(w).resume(a, t.pool),
    "rollouts.start": lambda w, a, t: rollouts(w).start(a, t.pool, _wish(w).image_id, Pace()),
    "groups.create": lambda w, a, t: groups(w).create(a, "new"),
    "groups.delete": lambda w, a, t: groups(w).delete(a, t.group),
    "groups.drop_member": lambda w, a, t: groups(w).drop_member(a, t.group, w.bystander),
    "groups.get": lambda w, a, t: groups(w).get(a, t.group),
    "groups.list": lambda w, a, t: groups(w).list(a),
    "groups.members": lambda w, a, t: groups(w).members(a, t.group),
    "groups.put_member": lambda w, a, t: groups(w).put_member(a, t.group, w.bystander),
    "groups.put_member owner": lambda w, a, t: groups(w).put_member(a, t.group, w.bystander, is_owner=True),
    "groups.rename": lambda w, a, t: groups(w).rename(a, t.group, "new"),
    "guests.drop_partial": lambda w, a, t: guests(w).drop_partial(a, t.desktop, "y"),
    "guests.files": lambda w, a, t: guests(w).files(a, t.desktop),
    "guests.folder": lambda w, a, t: guests(w).folder(a, t.desktop),
    "guests.get_clipboard": lambda w, a, t: guests(w).get_clipboard(a, t.desktop),
    "guests.read_piece": lambda w, a, t: guests(w).read_piece(a, t.desktop, "x", offset=0),
    "guests.set_clipboard": lambda w, a, t: guests(w).set_clipboard(a, t.desktop, "text"),
    "guests.write_piece": lambda w, a, t: guests(w).write_piece(a, t.desktop, "x", b"x", offset=0, size_bytes=1),
    "history.of_desktop": lambda w, a, t: w.yunzhuo.services.history.of_desktop(a, t.desktop),
    "operations.cancel": lambda w, a, t: operations(w).cancel(a, t.operation),
    "operations.deal_with_many": lambda w, a, t: _refusing(operations(w).deal_with_many(a, [t.operation], Remedy.CANCEL)[0]),
    "operations.list": lambda w, a, t: operations(w).list(a, OperationWish()),
    "operations.record": lambda w, a, t: operations(w).record(a, t.operation),
    "operations.retry": lambda w, a, t: operations(w).retry(a, t.operation),
    "operations.undo": lambda w, a, t: operations(w).undo(a, t.operation),
    "gateways.add_segment": lambda w, a, t: gateways(w).add_segment(a, "new", "10.9.0.0/16"),
    "gateways.create": lambda w, a, t: gateways(w).create(a, "new", "wss://new.test"),
    "gateways.delete": lambda w, a, t: gateways(w).delete(a, w.gateway),
    "gateways.get": lambda w, a, t: gateways(w).get(a, w.gateway),
    "gateways.list": lambda w, a, t: gateways(w).list(a),
    "gateways.remove_segment": lambda w, a, t: gateways(w).remove_segment(a, w.segment),
    "gateways.rotate_key": lambda w, a, t: gateways(w).rotate_key(a, w.gateway),
    "gateways.segments": lambda w, a, t: gateways(w).segments(a),
    "gateways.update": lambda w, a, t: gateways(w).update(a, w.gateway, state=GatewayState.DRAINING),
    "licensing.status": lambda w, a, t: licensing(w).status(a),
    "licensing.notice": lambda w, a, t: licensing(w).notice(a),
    "licensing.host_info": lambda w, a, t: licensing(w).host_info(a),
    "license_renewal.standing": lambda w, a, t: w.yunzhuo.services.license_renewal.standing(a),
    "license_renewal.activate": lambda w, a, t: w.yunzhuo.services.license_renewal.activate(a),
    "licensing.take": lambda w, a, t: licensing(w).take(a, b""),
    "addresses.assign": lambda w, a, t: addresses(w).assign(a, t.desktop),
    "addresses.is_offered": lambda w, a, t: addresses(w).is_offered(a),
    "addresses.list": lambda w, a, t: addresses(w).list(a),
    "addresses.release": lambda w, a, t: addresses(w).release(a, t.desktop),
    "screens.end": lambda w, a, t: screens(w).end(a, t.screen),
    "screens.history": lambda w, a, t: screens(w).history(a),
    "screens.open_now": lambda w, a, t: screens(w).open_now(a),
    "organizations.create": lambda w, a, t: organizations(w).create(a, "new"),
    "organizations.disable": lambda w, a, t: organizations(w).disable(a, t.organization),
    "organizations.enable": lambda w, a, t: organizations(w).enable(a, t.organization),
    "organizations.get": lambda w, a, t: organizations(w).get(a, t.organization),
    "organizations.list": lambda w, a, t: organizations(w).list(a),
    "organizations.rename": lambda w, a, t: organizations(w).rename(a, t.organization, "new"),
    "projects.get": lambda w, a, t: w.yunzhuo.services.projects.get(a, t.organization),
    "projects.make": lambda w, a, t: w.yunzhuo.services.projects.make(a, t.organization),
    "projects.delete": lambda w, a, t: w.yunzhuo.services.projects.delete(a, t.organization),
    "overview.catalog_use": lambda w, a, t: overview(w).catalog_use(a),
    "overview.counts": lambda w, a, t: overview(w).counts(a),
    "overview.hosts": lambda w, a, t: overview(w).hosts(a),
    "overview.look": lambda w, a, t: overview(w).look(a),
    "overview.settings": lambda w, a, t: overview(w).settings(a),
    "passkeys.list": lambda w, a, t: passkeys(w).list(a),
    "passkeys.offer_registration": lambda w, a, t: passkeys(w).offer_registration(a, _proof(w, a)),
    "passkeys.register": lambda w, a, t: passkeys(w).register(a, _proof(w, a), "Mine", "{}"),
    "passkeys.remove": lambda w, a, t: passkeys(w).remove(a, _proof(w, a), t.user),
    "people.change_role": lambda w, a, t: people(w).change_role(a, t.user, Role.TEACHER),
    "people.change_role operator": lambda w, a, t: people(w).change_role(a, t.user, Role.OPERATOR),
    "people.create": lambda w, a, t: people(w).create(a, NEW, Role.USER, password=PASSWORD),
    "people.create operator": lambda w, a, t: people(w).create(a, NEW, Role.OPERATOR, password=PASSWORD),
    "people.delete": lambda w, a, t: people(w).delete(a, t.user, DesktopsOfDeleted()),
    "people.disable": lambda w, a, t: people(w).disable(a, t.user),
    "people.enable": lambda w, a, t: people(w).enable(a, t.user),
    "people.get": lambda w, a, t: people(w).get(a, t.user),
    "people.list": lambda w, a, t: people(w).list(a),
    "people.reset_password": lambda w, a, t: people(w).reset_password(a, t.user),
    "people_import.change_many": lambda w, a, t: _refusing(lists(w).change_many(a, [t.user], Change.DISABLE)[0]),
    "people_import.export": lambda w, a, t: lists(w).export(a, FileKind.CSV),
    "people_import.run": lambda w, a, t: lists(w).run(a, f"email\n{NEW}\n".encode(), FileKind.CSV),
    "personal_disks.connect": lambda w, a, t: disks(w).connect(a, t.desktop),
    "personal_disks.create": lambda w, a, t: disks(w).create(a),
    "personal_disks.delete": lambda w, a, t: disks(w).delete(a),
    "personal_disks.delete_snapshot": lambda w, a, t: disks(w).delete_snapshot(a, t.snapshot),
    "personal_disks.disconnect": lambda w, a, t: disks(w).disconnect(a),
    "personal_disks.get": lambda w, a, t: disks(w).get(a),
    "personal_disks.restore": lambda w, a, t: disks(w).restore(a, t.snapshot),
    "personal_disks.take_snapshot": lambda w, a, t: disks(w).take_snapshot(a, "first"),
    "personal_disks.usage": lambda w, a, t: disks(w).usage(a),
    "policies.list": lambda w, a, t: policies(w).list(a),
    "policies.put": lambda w, a, t: policies(w).put(a, PolicySubject.USER, t.user, {"usb": False}),
    "policies.put organization": lambda w, a, t: policies(w).put(a, PolicySubject.ORGANIZATION, t.organization, {"usb": False}),
    "quotas.list": lambda w, a, t: quotas(w).list(a),
    "quotas.mine": lambda w, a, t: quotas(w).mine(a),
    "quotas.of_user": lambda w, a, t: quotas(w).of_user(a, t.user),
    "quotas.put": lambda w, a, t: quotas(w).put(a, Subject.USER, t.user, Resource.DESKTOPS, 3),
    "quotas.put organization": lambda w, a, t: quotas(w).put(a, Subject.ORGANIZATION, t.organization, Resource.DESKTOPS, 100),
    "regaining.change_address": lambda w, a, t: w.yunzhuo.services.regaining.change_address(a, _proof(w, a), NEW),
    "registration.invitations": lambda w, a, t: registration(w).invitations(a),
    "registration.invite": lambda w, a, t: registration(w).invite(a, NEW, Role.USER),
    "registration.invite operator": lambda w, a, t: registration(w).invite(a, NEW, Role.OPERATOR),
    "registration.withdraw": lambda w, a, t: registration(w).withdraw(a, t.invitation),
    "roles.change": lambda w, a, t: roles(w).change(a, t.role, GRANTS),
    "roles.create": lambda w, a, t: roles(w).create(a, "new", GRANTS),
    "roles.create beyond": lambda w, a, t: roles(w).create(a, "new", {"desktop:connect": "organization"}),
    "roles.delete": lambda w, a, t: roles(w).delete(a, t.role),
    "roles.grant": lambda w, a, t: roles(w).grant(a, t.role, w.bystander),
    "roles.holders": lambda w, a, t: roles(w).holders(a, t.role),
    "roles.list": lambda w, a, t: roles(w).list(a),
    "roles.withdraw": lambda w, a, t: roles(w).withdraw(a, t.role, w.bystander),
    "sessions.end": lambda w, a, t: sessions(w).end(a, t.session),
    "sessions.end_all_of": lambda w, a, t: sessions(w).end_all_of(a, t.user),
    "sessions.end_of": lambda w, a, t: sessions(w).end_of(a, t.user, t.session),
    "sessions.end_others": lambda w, a, t: sessions(w).end_others(a, present=w.sessions[a.role]),
    "sessions.history": lambda w, a, t: sessions(w).history(a),
    "sessions.history_of": lambda w, a, t: sessions(w).history_of(a, t.user),
    "sessions.list": lambda w, a, t: sessions(w).list(a),
    "sessions.list_of": lambda w, a, t: sessions(w).list_of(a, t.user),
    "snapshots.create": lambda w, a, t: snapshots(w).create(a, t.desktop, "second"),
    "snapshots.delete": lambda w, a, t: snapshots(w).delete(a, t.desktop, t.snapshot),
    "snapshots.get": lambda w, a, t: snapshots(w).get(a, t.desktop, t.snapshot),
    "snapshots.list": lambda w, a, t: snapshots(w).list(a, t.desktop),
    "snapshots.roll_back": lambda w, a, t: snapshots(w).roll_back(a, t.desktop, t.snapshot),
    "step_up.by_password": lambda w, a, t: _proof(w, a),
    "step_up.for_session": lambda w, a, t: w.yunzhuo.services.step_up.for_session(a, PASSWORD, w.sessions[a.role]),
    "step_up.of_session": lambda w, a, t: w.yunzhuo.services.step_up.of_session(a, w.sessions[a.role]),
    "thumbnails.look": lambda w, a, t: w.yunzhuo.services.thumbnails.look(a, t.desktop),
    "tokens.add_service": lambda w, a, t: tokens(w).add_service(a, NEW, Role.USER),
    "tokens.add_service operator": lambda w, a, t: tokens(w).add_service(a, NEW, Role.OPERATOR),
    "tokens.create": lambda w, a, t: tokens(w).create(a, TokenWish("new")),
    "tokens.create_for": lambda w, a, t: tokens(w).create_for(a, t.user, TokenWish("new")),
    "tokens.create_for service": lambda w, a, t: tokens(w).create_for(a, t.service, TokenWish("new")),
    "tokens.list": lambda w, a, t: tokens(w).list(a),
    "tokens.list_of": lambda w, a, t: tokens(w).list_of(a, t.user),
    "tokens.revoke": lambda w, a, t: tokens(w).revoke(a, t.token),
    "tokens.revoke_of": lambda w, a, t: tokens(w).revoke_of(a, t.user, t.token),
    "usage.days": lambda w, a, t: usage(w).days(a),
    **CLOUD_METHODS,
}
