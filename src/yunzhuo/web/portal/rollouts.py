"""Roll-outs: the form for another image of a pool, and what is said to one that goes on."""

from collections import Counter
from collections.abc import Callable, Sequence

from flask import request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.services.catalog import ImageView
from yunzhuo.services.pools import PoolView
from yunzhuo.services.rules.rollouts import Pace, RolloutVerb
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.forms import RolloutForm
from yunzhuo.web.portal.pages import back_to, blueprint, for_those_who, notice, page, require_token, saved
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.statuses import STATUS

_LONGEST_NUMBER = 4


@blueprint.get("/admin/pools/<pool_id>/rollout")
@for_those_who("pool:roll_out")
def rollout(pool_id: str) -> Response:
    """Which image a pool is to be brought to, and how fast."""
    view, pace = services().pools.get(actor(), pool_id), Pace()
    form = RolloutForm(
        formdata=None,
        stages=", ".join(map(str, pace.stages)),
        at_once_percent=pace.at_once_percent,
        most_failures=pace.most_failures,
        notice_hours=pace.notice_hours,
    )
    return _form_page(view, form)


@blueprint.post("/admin/pools/<pool_id>/rollout")
@for_those_who("pool:roll_out")
def change_rollout(pool_id: str) -> Response:
    """Begin one, pause it, go on, to the next stage, or back."""
    rollouts, person, asked = services().rollouts, actor(), request.form
    ways: dict[str, Callable[[], object]] = {
        RolloutVerb.PAUSE: lambda: rollouts.pause(person, pool_id),
        RolloutVerb.RESUME: lambda: rollouts.resume(person, pool_id),
        RolloutVerb.ADVANCE: lambda: rollouts.advance(person, pool_id, _number(asked.get("stage", ""))),
        RolloutVerb.BACK: lambda: rollouts.back(person, pool_id),
    }
    if asked.get("change") == "start":
        return _started(services().pools.get(person, pool_id))
    if asked.get("change") not in ways:
        raise InvalidInput("There is no such change.", fields={"change": "start, pause, resume, advance or back"})
    require_token()
    return saved(ways[asked["change"]], url_for("portal.pool", pool_id=pool_id))


def image_choices(images: Sequence[ImageView]) -> list[tuple[str, str]]:
    """Images by name; of several of one name, which version each is."""
    named = Counter(each.name for each in images)
    return [(each.id, f"{each.name} ({each.version})" if named[each.name] > 1 else each.name) for each in images]


def _started(view: PoolView) -> Response:
    form = RolloutForm()
    if form.validate_on_submit():
        try:
            pace = Pace(
                stages=tuple(_number(part.strip(" %")) for part in (form.stages.data or "").replace("，", ",").split(",")),
                at_once_percent=form.at_once_percent.data,
                most_failures=form.most_failures.data,
                notice_hours=form.notice_hours.data,
            )
            services().rollouts.start(actor(), view.id, form.image.data or "", pace)
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
        else:
            notice("good", gettext("The roll-out has begun."))
            return back_to(url_for("portal.pool", pool_id=view.id))
    return _form_page(view, form, STATUS[InvalidInput])


def _form_page(view: PoolView, form: RolloutForm, status: int = 200) -> Response:
    images = [each for each in services().catalog.images(actor()) if each.id != view.image_id]
    form.image.choices = image_choices(images)
    return page("admin/rollout.html", status, pool=view, form=form)


def _number(text: str) -> int:
    """A whole number as people write it; 0, which no roll-out takes, for anything else."""
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else 0
