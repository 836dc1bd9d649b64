"""Pools: what administrators make of them, and a desktop of one with one click."""

from dataclasses import replace

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput, LimitReached, NotFound
from yunzhuo.services.access import scope_of
from yunzhuo.services.accounts import time_zones
from yunzhuo.services.claims import PoolOffer
from yunzhuo.services.pools import UTC_ZONE, PoolView, PoolWish
from yunzhuo.services.rules.pools import Kind
from yunzhuo.web.portal import messages, pool_pictures, pool_words
from yunzhuo.web.portal.administration import person_with
from yunzhuo.web.portal.forms import PoolForm
from yunzhuo.web.portal.pages import (
    HOME,
    back_to,
    blueprint,
    events_from_now,
    for_those_who,
    is_part,
    notice,
    page,
    part,
    require_token,
    saved,
)
from yunzhuo.web.portal.rollouts import image_choices
from yunzhuo.webkit import actor, services, sessions
from yunzhuo.webkit.forms import EmptyForm
from yunzhuo.webkit.statuses import STATUS


@blueprint.post("/pools/<pool_id>/claim")
@sessions.signed_in
def claim(pool_id: str) -> Response:
    """Get a desktop of a pool, and go to it; if none stood ready its page shows how it comes."""
    require_token()
    try:
        claimed = services().claims.claim(actor(), pool_id)
    except (Conflict, LimitReached) as error:
        notice("bad", messages.refusal(error))
        return back_to(url_for(HOME))
    waits = pool_words.wait(claimed.way)
    if waits is not None:
        notice("info", waits)
    return back_to(url_for("portal.desktop", desktop_id=claimed.desktop.id))


@blueprint.route("/pools/<pool_id>/release", methods=["GET", "POST"])
@sessions.signed_in
def release(pool_id: str) -> Response:
    """Ask whether it is meant, then give the desktop back."""
    offer, form = _offer(pool_id), EmptyForm()
    if form.validate_on_submit():
        try:
            services().claims.release(actor(), pool_id)
        except Conflict as error:
            notice("bad", messages.refusal(error))
        else:
            notice("good", gettext("Your desktop of “%(name)s” is given back.", name=offer.name))
        return back_to(url_for(HOME))
    if is_part():
        return part("_release.html", offer=offer, in_dialog=True)
    return page("release.html", offer=offer)


@blueprint.get("/admin/pools")
@for_those_who("pool:read")
def pool_list() -> Response:
    """The pools, and what the desktops of each are doing."""
    may_create = scope_of(actor(), "pool:create") is not None
    return page("admin/pools.html", pools=services().pools.list(actor()), may_create=may_create)


@blueprint.get("/admin/pools/new")
@for_those_who("pool:create")
def new_pool() -> Response:
    """What a new pool is to be."""
    return _new_page(PoolForm(formdata=None, capacity=10, spares=2, time_zone=_own_zone()))


@blueprint.post("/admin/pools")
@for_those_who("pool:create")
def make_pool() -> Response:
    """Make a pool, and go on to who may have a desktop of it."""
    form = _filled()
    if form.validate_on_submit():
        try:
            made = services().pools.create(actor(), _wish(form))
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
        else:
            return back_to(url_for("portal.pool", pool_id=made.id))
    return _new_page(form, STATUS[InvalidInput])


@blueprint.get("/admin/pools/<pool_id>")
@for_those_who("pool:read")
def pool(pool_id: str) -> Response:
    """One pool: its desktops now, the image that comes, who may have one, what it is."""
    events_url = events_from_now()
    view = services().pools.get(actor(), pool_id)
    return _page(view, _form_of(view), events_url=events_url)


@blueprint.post("/admin/pools/<pool_id>")
@for_those_who("pool:update")
def change_pool(pool_id: str) -> Response:
    """Change what it is, let somebody have a desktop of it, let them have none, or delete it."""
    pools, person, asked = services().pools, actor(), request.form
    here = url_for("portal.pool", pool_id=pool_id)
    match asked.get("change"):
        case "settings":
            return _changed(pool_id)
        case "put":
            require_token()
            return saved(lambda: pools.put_member(person, pool_id, _holder_id(asked.get("holder", ""))), here)
        case "drop":
            require_token()
            return saved(lambda: pools.drop_member(person, pool_id, asked.get("holder", "")), here)
        case "delete":
            require_token()
            return saved(lambda: pools.delete(person, pool_id), url_for("portal.pool_list"))
        case _:
            raise InvalidInput("There is no such change.", fields={"change": "settings, put, drop or delete"})


def _changed(pool_id: str) -> Response:
    form = _filled()
    view = services().pools.get(actor(), pool_id)
    form.kind.data = view.kind  # which stays
    if form.validate_on_submit():
        wish = _wish(form)
        try:
            services().pools.change(actor(), pool_id, lambda present: _over(present, wish))
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
        else:
            notice("good", gettext("Saved."))
            return back_to(url_for("portal.pool", pool_id=pool_id))
    return _page(view, form, STATUS[InvalidInput])


def _over(present: PoolWish, wish: PoolWish) -> PoolWish:
    """What of the page counts: the kind stays, and so does what the asker was not shown."""
    if not _may_choose_place():
        wish = replace(wish, network_id=present.network_id, security_group_ids=present.security_group_ids)
    return replace(wish, kind=present.kind)


def _may_choose_place() -> bool:
    return scope_of(actor(), "network:read") is not None


def _filled() -> PoolForm:
    form = PoolForm()
    if not form.kind.data:
        form.kind.data = Kind.FLOATING
    return form


def _wish(form: PoolForm) -> PoolWish:
    return PoolWish(
        name=form.name.data,
        image_id=form.image.data or "",
        flavor_id=form.flavor.data or "",
        capacity=form.capacity.data,
        spares=form.spares.data or 0,
        kind=Kind(form.kind.data),
        hours=(form.hours.data or "").splitlines(),
        time_zone=form.time_zone.data or UTC_ZONE,
        release_after_minutes=form.release_after_minutes.data,
        goal_seconds=form.goal_seconds.data,
        network_id=form.network.data or None,
        security_group_ids=form.security_groups.data or [],
    )


def _form_of(view: PoolView) -> PoolForm:
    return PoolForm(
        formdata=None,
        name=view.name,
        kind=view.kind,
        image=view.image_id,
        flavor=view.flavor_id,
        capacity=view.capacity,
        spares=view.spares,
        hours="\n".join(view.hours),
        time_zone=view.time_zone,
        release_after_minutes=view.release_after_minutes,
        goal_seconds=view.goal_seconds,
        network=view.network_id or "",
        security_groups=sorted(view.security_groups),
    )


def _new_page(form: PoolForm, status: int = 200) -> Response:
    return page("admin/new_pool.html", status, form=form, **_choices(form))


def _page(view: PoolView, form: PoolForm, status: int = 200, *, events_url: str = "") -> Response:
    members, groups = services().pools.members(actor(), view.id), services().groups.list(actor())
    rollout = services().rollouts.get(actor(), view.id)
    history = services().pool_history
    told = {
        "members": members,
        "groups": groups,
        "rollout": rollout,
        "events_url": events_url,
        "day": pool_pictures.day_picture(history.today(actor(), view.id)),
        "times": pool_pictures.times_picture(history.times(actor(), view.id)),
        "pool_seconds": pool_pictures.seconds,
    }
    return page("admin/pool.html", status, pool=view, form=form, **told, **_choices(form))


def _choices(form: PoolForm) -> dict[str, object]:
    """What a pool can be made from."""
    catalog, person = services().catalog, actor()
    form.image.choices = image_choices(catalog.images(person))
    form.flavor.choices = [(each.id, messages.size_name(each.name)) for each in catalog.flavors(person)]
    form.kind.choices = [(str(kind), words) for kind, words in pool_words.KINDS.items()]
    if _may_choose_place():
        usual = ("", gettext("The one that the cloud puts desktops on"))
        form.network.choices = [usual, *((each.id, each.name) for each in catalog.networks(person))]
        form.security_groups.choices = [(each.id, each.name) for each in catalog.security_groups(person)]
    else:
        del form.network, form.security_groups
    return {"zones": [UTC_ZONE, *sorted(time_zones())]}


def _own_zone() -> str:
    user = sessions.current_user()
    return (user.time_zone if user else None) or UTC_ZONE


def _offer(pool_id: str) -> PoolOffer:
    found = next((each for each in services().claims.mine(actor()) if each.id == pool_id and each.desktop_id), None)
    if found is None:
        raise NotFound("no_desktop_of_pool", "You have no desktop of this pool.")
    return found


def _holder_id(named: str) -> str:
    """A group's name or a person's address."""
    for each in services().groups.list(actor()):
        if each.name == named.strip():
            return each.id
    return person_with(named)
