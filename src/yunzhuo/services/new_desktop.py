"""A wish for a desktop."""

import hashlib
import json
from dataclasses import dataclass, replace

from yunzhuo.services.rules import naming


@dataclass(frozen=True, slots=True)
class NewDesktop:
    """A wish for a desktop. ``owner_id`` None: for whoever asks."""

    image_id: str
    flavor_id: str
    name: str | None = None
    owner_id: str | None = None

    def checked(self) -> "NewDesktop":
        """The wish with its name in form. Raises InvalidInput."""
        return replace(self, name=naming.checked_name(self.name) if self.name is not None else None)

    def digest(self) -> str:
        """What tells one wish from another."""
        wish = {"image": self.image_id, "flavor": self.flavor_id, "name": self.name}
        if self.owner_id is not None:
            wish["owner"] = self.owner_id
        return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()
