"""What a desktop's agent says stands on the desktop's page and in the API, for whoever may see the desktop."""

from pathlib import Path

from tests.support.installation import installation
from tests.support.pages import CHINESE, signed_in, somebody

from yunzhuo.services.agents import Heard
from yunzhuo.services.rules.agent_words import Status
from yunzhuo.web.app import create_app


def test_load_memory_and_who_is_signed_in(tmp_path: Path) -> None:
    with installation(tmp_path / "var", agents={"public_url": "https://agents.school.local:8084", "local_port": 1}) as yunzhuo:
        app = create_app(yunzhuo.services, secret_key="a key that signs the cookies of one test")
        lin = somebody(yunzhuo, "lin")
        visitor, desktop_id = signed_in(app, lin), yunzhuo.available(lin)
        page = f"/desktops/{desktop_id}/details"
        assert "signed in" not in visitor.get(page).text
        since = int(yunzhuo.clock.now().timestamp())
        for signed_in_since, words in ((since, "Somebody has been signed in since"), (None, "Nobody is signed in.")):
            status = Status(is_ready=True, load=0.426, memory_mib=2048, memory_used_mib=512, signed_in_since=signed_in_since)
            yunzhuo.services.agents.arrived(Heard(desktop_id, "boot-1", "0.1.0", status, yunzhuo.clock.now()))
            shown = visitor.get(page).text
            assert "Load 43 %, memory 512 MB of 2 GB." in shown
            assert words in shown
        assert "没有人登录。" in visitor.get(page, headers=CHINESE).text
