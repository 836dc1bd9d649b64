"""One interface to every cloud. Drivers are found by entry point (group ``yunzhuo.cloud``) and do not know each other."""

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from yunzhuo.phoenix.common.errors import InvalidInput

if TYPE_CHECKING:
    from yunzhuo.phoenix.cloud.interface import Cloud
    from yunzhuo.phoenix.config.settings import Settings


def connect(settings: "Settings") -> "Cloud":
    """The cloud that ``settings.cloud.driver`` names.

    Each entry point is a function ``connect(settings) -> Cloud`` that makes no call yet. Raises InvalidInput when no
    such driver is installed.
    """
    found = entry_points(group="yunzhuo.cloud", name=settings.cloud.driver)
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group="yunzhuo.cloud")))
        raise InvalidInput(
            f"There is no cloud driver named {settings.cloud.driver!r}; installed are: {known}.",
            code="unknown_cloud_driver",
        )
    cloud: Cloud = next(iter(found)).load()(settings)
    return cloud
