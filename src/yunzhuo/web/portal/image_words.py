"""Words for images in the cloud's store."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from yunzhuo.services.cloud_images import ImageState, Visibility

_STATES: Mapping[ImageState, LazyString] = {
    ImageState.EMPTY: lazy_gettext("without content"),
    ImageState.ARRIVING: lazy_gettext("arriving"),
    ImageState.ACTIVE: lazy_gettext("in use"),
    ImageState.DEACTIVATED: lazy_gettext("out of use"),
    ImageState.BROKEN: lazy_gettext("broken"),
}
_VISIBILITIES: Mapping[Visibility, LazyString] = {
    Visibility.PRIVATE: lazy_gettext("our project"),
    Visibility.SHARED: lazy_gettext("whom it is shared with"),
    Visibility.COMMUNITY: lazy_gettext("whoever knows its id"),
    Visibility.PUBLIC: lazy_gettext("everybody"),
}


def image_state(state: ImageState) -> str:
    """How far an image is."""
    return str(_STATES[state])


def image_visibility(visibility: Visibility) -> str:
    """Who sees an image."""
    return str(_VISIBILITIES[visibility])
