"""A vendor's license server in this process, with a clock of its own, and on a port when somebody is to ask it."""

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from flask import Flask
from tests.support.installation import QUICK_PASSWORDS, START
from werkzeug.serving import WSGIRequestHandler, make_server

from yunzhuo.license.app import create_app
from yunzhuo.license.assembly import LicenseServices, license_services, upgrade_database
from yunzhuo.license.installations import NewCode, Terms
from yunzhuo.phoenix.common.clock import FixedClock
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security import host_info, signing_keys
from yunzhuo.phoenix.security.licenses import Limits
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.access import Actor, installation

YEAR = timedelta(days=365)


@dataclass
class Vendor:
    """The server and who runs it."""

    services: LicenseServices
    clock: FixedClock
    boss: Actor

    def pin(self) -> VendorPin:
        """What a build that trusts all keys of now has."""
        keys = [signing_keys.public_from(key.public_key) for key in self.services.keys.list() if key.retired_at is None]
        return VendorPin({key.thumbprint(): key for key in keys})

    def terms(self, **limits: int) -> Terms:
        """A year from now on."""
        now = self.clock.now()
        return Terms("school", ("pools",), Limits(**limits), now, now + YEAR, 14)

    def customer(self, name: str = "第一中学") -> str:
        """A new customer's id."""
        return self.services.customers.create(self.boss, name).id

    def installation(self, customer_id: str, name: str = "main", **limits: int) -> NewCode:
        """A new installation of a customer's."""
        return self.services.installations.create(self.boss, customer_id, name, self.terms(**limits))

    def app(self) -> Flask:
        """The API."""
        return create_app(self.services, secret_key="a key that signs nothing of interest")


class Host:
    """A computer with an installation's key, as far as its files go."""

    def __init__(self, vendor: Vendor, name: str = "school-1", machine: str = "m-1") -> None:
        self.key = signing_keys.make()
        self.name, self.machine = name, machine
        self.vendor_keys = sorted(vendor.pin().keys)

    def document(self) -> bytes:
        """Its host-info file."""
        return host_info.sign(
            self.key,
            host_name=self.name,
            machine=self.machine,
            yunzhuo="0.1.0",
            vendor_keys=self.vendor_keys,
            made_at=START,
        )


@cache
def _prepared_home() -> Path:
    """A state folder with the tables of this release, for all tests of this process to copy."""
    folder = TemporaryDirectory(prefix="yunzhuo-vendor-")
    atexit.register(folder.cleanup)
    upgrade_database(Settings.model_validate({"home": Path(folder.name) / "home"}))
    return Path(folder.name) / "home"


@contextmanager
def vendor(home: Path, *, with_key: bool = True, **sections: object) -> Iterator[Vendor]:
    """A fresh license server in ``home``; ``sections`` are sections of the settings."""
    settings, clock = Settings.model_validate({"home": home, **sections}), FixedClock(START)
    copytree(_prepared_home(), home)
    with license_services(settings, clock=clock, passwords=QUICK_PASSWORDS) as all_services:
        if with_key:
            all_services.keys.create()
        boss = installation(all_services.accounts.accounts.default_organization_id())
        yield Vendor(all_services, clock, boss)


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Nothing: the application has a log of its own."""


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """The address of an application on a port of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
