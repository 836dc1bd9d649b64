"""Images of Yunzhuo's project, shown to another project before a server is made there of one."""

from yunzhuo.phoenix.cloud.openstack.images import OpenStackImages
from yunzhuo.phoenix.cloud.resources import Flavor


class ShownImages:
    """What fits is asked of the images that Yunzhuo's own project sees."""

    def __init__(self, images: OpenStackImages, project_id: str) -> None:
        self._images = images
        self._project_id = project_id
        self._shown: set[str] = set()

    def check_fit(self, image_id: str, flavor: Flavor) -> None:
        """As ``OpenStackImages.check_fit``; then the project sees the image. Raises InvalidInput when it must not."""
        self._images.check_fit(image_id, flavor)
        if image_id not in self._shown:
            self._images.show_to(image_id, self._project_id)
            self._shown.add(image_id)
