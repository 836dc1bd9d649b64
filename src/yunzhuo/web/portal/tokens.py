"""API tokens that people make for their programs."""

from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import Conflict, InvalidInput
from yunzhuo.services.access import READ_ONLY, grants_of
from yunzhuo.services.tokens import TokenWish
from yunzhuo.web.portal import messages
from yunzhuo.web.portal.forms import TokenForm
from yunzhuo.web.portal.pages import blueprint, page
from yunzhuo.webkit import actor, services
from yunzhuo.webkit.account.security import asks_password, proven
from yunzhuo.webkit.statuses import STATUS

_SECONDS_PER_DAY = 86400
_DAYS = 90


@blueprint.route("/security/tokens", methods=["GET", "POST"])
@asks_password
def add_token() -> Response:
    """Make an API token; it is shown this once."""
    proven()
    form, person = TokenForm(reach="all", days=_DAYS), actor()
    status = STATUS[InvalidInput] if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            return page("new_token.html", made=services().tokens.create(person, wish_of(form)))
        except InvalidInput as error:
            form.refuse_fields(messages.field_errors(error))
        except Conflict as error:
            form.refuse(messages.refusal(error))
    return page("token.html", status, form=form, verbs=sorted(grants_of(person)))


def wish_of(form: TokenForm) -> TokenWish:
    """What the form asks for."""
    reaches = {"all": None, "read": [READ_ONLY], "verbs": form.verbs.data or []}
    return TokenWish(form.name.data, reaches[form.reach.data], form.days.data * _SECONDS_PER_DAY)
