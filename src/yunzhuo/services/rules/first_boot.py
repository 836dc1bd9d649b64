"""What a new server is told at its first boot, as cloud-init reads it: where its agent calls, and what the installation wants.

Agents read their part themselves (``guest/``), on each start, from the config drive: cloud-init reads it once an instance.
"""

import json
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

#: Nova takes 65535 characters of base64.
MOST_BYTES = 65535 // 4 * 3
DOOR_FILE = "/etc/yunzhuo-agent/door.json"
_CLOUD_CONFIG = "#cloud-config\n"
# Lists of both parts count: without this cloud-init keeps those of one.
_MERGE = "list(append)+dict(no_replace,recurse_list)+str()"
# Constant, so that the same words are the same bytes.
_BOUNDARY = "===yunzhuo-user-data==="
_KINDS = {
    "#cloud-config": "cloud-config",
    "#!": "x-shellscript",
    "#cloud-boothook": "cloud-boothook",
    "#include": "x-include-url",
}


def user_data(*, url: str, authority: str, key: str, own: str = "") -> str:
    """The user data of one server. ``authority`` is PEM, empty: the system's; ``own`` is what the installation adds."""
    door = {"url": url, "authority": authority, "key": key}
    file = {"path": DOOR_FILE, "permissions": "0600", "content": json.dumps(door)}
    part = _CLOUD_CONFIG + json.dumps({"merge_how": _MERGE, "write_files": [file]}) + "\n"
    if not own.strip():
        return part
    both = MIMEMultipart(boundary=_BOUNDARY)
    both.attach(MIMEText(own, _kind_of(own)))
    both.attach(MIMEText(part, "cloud-config"))
    return both.as_string()


def _kind_of(text: str) -> str:
    """The MIME subtype by which cloud-init knows what to do with a part."""
    return next((kind for start, kind in _KINDS.items() if text.startswith(start)), "plain")
