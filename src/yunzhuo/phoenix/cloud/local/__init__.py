"""Driver ``local``: the QEMU machines of this computer, owned by the process ``yunzhuo host``."""

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.local.cloud import LocalCloud
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.settings import Settings


def connect(settings: Settings) -> Cloud:
    """A client of the host process that serves ``settings.host_socket``. Makes no call yet. Raises InvalidInput."""
    if settings.cloud.project_per_organization:
        message = "[cloud] project_per_organization: this computer has no projects (driver local)."
        raise InvalidInput(message, code="invalid_settings")
    return LocalCloud(settings.host_socket, timeout_seconds=settings.cloud.timeout_seconds)
