"""A person's own settings."""

from flask import url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.web.errors import STATUS
from yunzhuo.web.portal.forms import LanguageForm
from yunzhuo.web.portal.pages import back_to, blueprint, notice, page
from yunzhuo.webkit import languages, sessions


@blueprint.route("/profile", methods=["GET", "POST"])
@sessions.signed_in
def profile() -> Response:
    """Who I am here, and in which language I read."""
    form = LanguageForm(language=languages.current())
    if form.validate_on_submit():
        languages.remember(form.language.data)
        notice("good", gettext("Saved."))
        return back_to(url_for("portal.profile"))
    return page("profile.html", STATUS[InvalidInput] if form.is_submitted() else 200, form=form)
