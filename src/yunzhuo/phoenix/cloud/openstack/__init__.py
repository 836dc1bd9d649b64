"""Driver ``openstack``: servers of one project of an OpenStack and, if wanted, of one for each organization.

Over openstacksdk's session and service catalog.
"""

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.openstack.cloud import OpenStackCloud
from yunzhuo.phoenix.common.errors import InvalidInput
from yunzhuo.phoenix.config.settings import Settings


def connect(settings: Settings) -> Cloud:
    """The cloud that ``settings.openstack`` names. Makes no call yet. Raises InvalidInput when clouds.yaml has none such."""
    if settings.cloud.project_per_organization and not settings.openstack.projects_domain:
        message = "[cloud] project_per_organization needs [openstack] projects_domain: where the projects are to be."
        raise InvalidInput(message, code="invalid_settings")
    return OpenStackCloud(settings.openstack, timeout_seconds=settings.cloud.timeout_seconds)
