"""Driver ``openstack``: servers of one project of an OpenStack, over openstacksdk's session and service catalog."""

from yunzhuo.phoenix.cloud.interface import Cloud
from yunzhuo.phoenix.cloud.openstack.cloud import OpenStackCloud
from yunzhuo.phoenix.config.settings import Settings


def connect(settings: Settings) -> Cloud:
    """The cloud that ``settings.openstack`` names. Makes no call yet. Raises InvalidInput when clouds.yaml has none such."""
    return OpenStackCloud(settings.openstack, timeout_seconds=settings.cloud.timeout_seconds)
