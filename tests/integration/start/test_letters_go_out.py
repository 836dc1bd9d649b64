"""A letter through all processes: asked for at the API, written by the web process, sent by a worker."""

from pathlib import Path

import httpx
import pytest
from tests.support.installation import PASSWORD
from tests.support.mail_server import mail_server
from tests.support.running import answer_of, running_yunzhuo
from tests.support.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("portal")]


def test_whoever_registers_gets_a_letter_and_an_account(tmp_path: Path) -> None:
    with mail_server() as server:
        mail = {"MAIL__HOST": "127.0.0.1", "MAIL__PORT": str(server.port), "MAIL__SECURITY": "none"}
        with running_yunzhuo(tmp_path / "var", CLOUD__DRIVER="memory", **mail) as yunzhuo:
            api = f"{yunzhuo.url}/api/v1"
            asked = httpx.post(f"{api}/registrations", json={"email": "lin@school.local"}, timeout=30)
            assert answer_of(asked, 202) == {"by_mail": True}
            eventually(lambda: server.letters, 20)
            proof = {"proof": server.proof(), "password": PASSWORD}
            made = answer_of(httpx.post(f"{api}/registrations/completion", json=proof, timeout=30), 201)
            assert made["email"] == "lin@school.local"
            with yunzhuo.api("lin@school.local") as lin:
                assert answer_of(lin.get("users/me"), 200)["id"] == made["id"]
