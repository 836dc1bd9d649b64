"""What pages of every process say: of accounts, of passwords, of errors. The code is the service's, the sentence a person's."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

SIGN_IN_METHODS: Mapping[str, LazyString] = {
    "password": lazy_gettext("Password"),
    "code": lazy_gettext("Code"),
    "totp": lazy_gettext("Authenticator app"),
    "recovery": lazy_gettext("Recovery code"),
    "passkey": lazy_gettext("Passkey"),
    "token": lazy_gettext("Token"),
}

SIGN_IN_OUTCOMES: Mapping[str, LazyString] = {
    "done": lazy_gettext("Signed in"),
    "awaits_factor": lazy_gettext("Asked for the second factor"),
    "wrong_password": lazy_gettext("The password was wrong"),
    "wrong_factor": lazy_gettext("The code was wrong"),
}

# What accounts are refused.
ACCOUNT_REFUSALS: Mapping[str, LazyString] = {
    "wrong_credentials": lazy_gettext("The address or the password is wrong."),
    "email_taken": lazy_gettext("There is an account with this address already."),
    "email_refused": lazy_gettext("This address cannot be used here."),
    "more_rights": lazy_gettext("This may do more than you. Ask somebody who may as much."),
    "own_account": lazy_gettext("This cannot be done to your own account. Ask another administrator."),
    "last_administrator": lazy_gettext("This is the last administrator. Make another one first."),
    "user_not_found": lazy_gettext("There is no such account."),
    "link_not_valid": lazy_gettext("This link is not valid, or not any more. Ask for a new one."),
    "sign_in_expired": lazy_gettext("Please give your password again."),
    "passkey_refused": lazy_gettext("This passkey cannot be used here."),
    "passkey_exists": lazy_gettext("This passkey is there already."),
    "too_many_passkeys": lazy_gettext("You have too many passkeys. Remove one first."),
    "totp_exists": lazy_gettext("There is an authenticator app already. Remove it first."),
    "totp_not_offered": lazy_gettext("Set up the authenticator app again."),
    "no_second_factor": lazy_gettext("There is no second factor that recovery codes would stand in for."),
    "too_many_tokens": lazy_gettext("There are too many tokens. Revoke one first."),
    "first_step_needed": lazy_gettext("Choose a password of your own, or set up a second factor, first."),
    "forbidden": lazy_gettext("You are not allowed to do this."),
    "not_signed_in": lazy_gettext("You are not signed in any more."),
}

# What is wrong with a field of a form about accounts.
ACCOUNT_FIELDS: Mapping[str, LazyString] = {
    "email": lazy_gettext("This is not an e-mail address."),
    "password": lazy_gettext("This password cannot be used."),
    "present": lazy_gettext("This is not your current password."),
    "code": lazy_gettext("This is none of the codes that count now."),
    "credential": lazy_gettext("This passkey cannot be used here."),
    "chosen": lazy_gettext("Choose a password that differs from your current one."),
    "name": lazy_gettext("This name cannot be used: 1 to 64 characters, none of them invisible."),
    "time_zone": lazy_gettext("There is no such time zone."),
}

# What is wrong with a new password.
PASSWORDS: Mapping[str, LazyString] = {
    "password_too_short": lazy_gettext("At least %(count)s characters."),
    "password_too_common": lazy_gettext("Too easy to guess: make it longer, or of words that do not belong together."),
}

# What an error page says, by status: a heading, and what to make of it.
TROUBLES: Mapping[int, tuple[LazyString, LazyString]] = {
    400: (
        lazy_gettext("This request cannot be read"),
        lazy_gettext("The page may have been open for too long. Reload it and try again."),
    ),
    403: (
        lazy_gettext("Not allowed"),
        lazy_gettext("Your account may not do this. Ask your administrator if it should."),
    ),
    404: (
        lazy_gettext("There is nothing here"),
        lazy_gettext("The address is wrong, or what was here is gone, or is not yours."),
    ),
    413: (
        lazy_gettext("That was too much at once"),
        lazy_gettext("What was sent is larger than what is taken here."),
    ),
    429: (
        lazy_gettext("Too many attempts"),
        lazy_gettext("Wait a few minutes, then try again."),
    ),
    500: (
        lazy_gettext("Something went wrong here"),
        lazy_gettext("It is not your fault. Try again; if it keeps happening, give your administrator the request ID below."),
    ),
    503: (
        lazy_gettext("Just a moment"),
        lazy_gettext("Part of Yunzhuo does not answer right now. Try again in a few seconds."),
    ),
}
OTHER_TROUBLE = (lazy_gettext("This did not work"), lazy_gettext("Go back and try again."))
