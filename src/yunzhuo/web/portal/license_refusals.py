"""What pages say when a license is not taken, or does not let people do something. The code is the service's."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

LICENSE_REFUSALS: Mapping[str, LazyString] = {
    "license_unreadable": lazy_gettext("This is no license file, or it was edited or cut."),
    "license_unknown_key": lazy_gettext("It is signed by somebody who is not the vendor of this Yunzhuo."),
    "license_altered": lazy_gettext("Its signature does not fit: it was changed, or somebody else made it."),
    "license_version": lazy_gettext("It is of a version that this Yunzhuo does not know; update Yunzhuo first."),
    "license_other_installation": lazy_gettext("It is another installation's license."),
    "license_older": lazy_gettext("It is older than a license that was here before."),
    "license_edited_here": lazy_gettext(
        "What is kept of the present license was edited here; ask your vendor for a newer one."
    ),
    "license_too_early": lazy_gettext("It does not count yet, or the clock of this computer is behind."),
    "license_over": lazy_gettext("It has ended already."),
    "license_serial_used": lazy_gettext("There is another license with this serial number; ask your vendor for a newer one."),
    "license_limit_reached": lazy_gettext("This is more than the license of this Yunzhuo allows. Tell your administrator."),
    "license_feature_missing": lazy_gettext("The license of this Yunzhuo does not include this. Tell your administrator."),
    "no_license_server": lazy_gettext("No license server is set here ([license] server_url)."),
    "license_server_unavailable": lazy_gettext("The license server does not answer."),
    "license_not_issued": lazy_gettext("The vendor has not issued a license yet."),
    "activation_code": lazy_gettext("This is no activation code."),
    "activation_answer_unknown_key": lazy_gettext("What answered is not your vendor's license server."),
    "installation_unknown": lazy_gettext("The license server knows neither this installation nor this code."),
    "installation_cloned": lazy_gettext("Another computer with the same key was seen; ask your vendor."),
    "moved_too_often": lazy_gettext("It was moved to another computer too often; ask your vendor."),
    "no_common_key": lazy_gettext("The license server has no key that this Yunzhuo trusts."),
    "license_missing": lazy_gettext("This Yunzhuo needs a license and has none. Tell your administrator."),
    "license_not_yet": lazy_gettext("The license of this Yunzhuo does not count yet. Tell your administrator."),
    "license_grace": lazy_gettext("The license of this Yunzhuo has ended: what is there goes on, and nothing new is made."),
    "license_ended": lazy_gettext("The license of this Yunzhuo has ended. Desktops can be stopped, saved and deleted."),
    "license_withdrawn": lazy_gettext("The license of this Yunzhuo was withdrawn. Desktops can be stopped, saved and deleted."),
    "license_clock_back": lazy_gettext("The clock of this Yunzhuo was put back. Tell your administrator."),
    "license_edited": lazy_gettext("What is kept of the license of this Yunzhuo was edited. Tell your administrator."),
}
