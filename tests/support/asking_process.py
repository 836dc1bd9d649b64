"""A process of its own that asks for desktops of a licensed installation, many at once: ``python -m`` with its file of wishes.

The file holds the settings, the vendor's public key, who asks, and the file whose coming is the starting signal. The answer,
one line of JSON: how many wishes were granted, and the codes of the others.
"""

import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.installation import QUICK_PASSWORDS

from yunzhuo.phoenix.common.errors import YunzhuoError
from yunzhuo.phoenix.config.settings import Settings
from yunzhuo.phoenix.security import signing_keys
from yunzhuo.phoenix.security.vendor_pin import VendorPin
from yunzhuo.services.assembly import services

_WAIT_SECONDS = 60


def main(file: Path) -> None:
    """Ask for everybody of the file at the same moment."""
    wishes = json.loads(file.read_text())
    vendor = signing_keys.public_from(wishes["vendor"])
    settings, signal = Settings.model_validate(wishes["settings"]), Path(wishes["signal"])
    with services(settings, passwords=QUICK_PASSWORDS, pin=VendorPin({vendor.thumbprint(): vendor})) as all_services:
        people = [all_services.accounts.by_email(email).actor() for email in wishes["people"]]
        image = all_services.catalog.images(people[0])[0].id
        flavor = all_services.catalog.flavors(people[0])[0].id

        def ask(number: int) -> str:
            try:
                all_services.desktops.request(people[number], image_id=image, flavor_id=flavor)
            except YunzhuoError as error:
                return error.code
            return "granted"

        file.with_suffix(".ready").touch()
        end = time.monotonic() + _WAIT_SECONDS
        while not signal.exists() and time.monotonic() < end:
            time.sleep(0.005)
        with ThreadPoolExecutor(len(people)) as pool:
            sys.stdout.write(json.dumps(Counter(pool.map(ask, range(len(people))))) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
