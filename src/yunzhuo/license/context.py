"""What routes of the license server ask: its services, beside those of accounts that ``webkit`` gives."""

from typing import cast

from flask import Flask, current_app

from yunzhuo.license.assembly import LicenseServices

_EXTENSION = "yunzhuo-license"


def install(app: Flask, all_services: LicenseServices) -> None:
    """Give the application its services."""
    app.extensions[_EXTENSION] = all_services


def license_server() -> LicenseServices:
    """The services of the application that answers this request."""
    return cast(LicenseServices, current_app.extensions[_EXTENSION])
