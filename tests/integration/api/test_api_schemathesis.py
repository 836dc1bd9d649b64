"""The whole OpenAPI document asked by Schemathesis, and held against what is answered.

No answer may be a failure of ours, and none may be undeclared: its status, its kind, its headers, its shape. What breaks the
schema must be refused, and what fits must not be called unreadable. ``schemathesis.toml`` beside this says what is left out.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from tests.support.api import SECRET_KEY, Api
from tests.support.installation import installation
from werkzeug.serving import WSGIRequestHandler, make_server

from yunzhuo.services.access import Role
from yunzhuo.services.tokens import TokenWish
from yunzhuo.web.app import create_app

# Some thousand requests: a minute where nothing else runs.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 5  # thought up for each operation, beside the thousands that are worked out
LEFT_OUT = 3
# Not the document's own example, which would be tried.
SECRET = "four green tables sing"


class Quiet(WSGIRequestHandler):
    """Some thousand lines would hide what was found."""

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The application on a port of its own; answers its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with installation(tmp_path / "home") as installed:
        app = create_app(installed.services, secret_key=SECRET_KEY)
        boss = installed.services.accounts.add("boss@school.local", SECRET, Role.OPERATOR)
        tokens = installed.services.tokens
        spare = tokens.create(boss.actor(client_address="192.0.2.7"), TokenWish("spare")).token
        granted = tokens.create_with_password(boss.email, SECRET, client_address="192.0.2.7")
        api = Api(app.test_client(), granted.secret)
        api.desktop(name="there")
        installed.run()
        with served(app) as url:
            done = subprocess.run(
                [
                    *(Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIGURATION, "--no-color"),
                    *("run", f"{url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {granted.secret}"),
                    *("--max-examples", str(EXAMPLES), "--generation-database", "none", "--report-json-path", report),
                ],
                capture_output=True,
                text=True,
                env={**os.environ, "NO_PROXY": "127.0.0.1", "SPARE_TOKEN_ID": spare.id},
                cwd=tmp_path,
                check=False,
            )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert api.get("/users/me").status_code == 200, "it ended its own credentials: the rest was asked by nobody"
    tried = json.loads(report.read_text())["operations"]
    assert (tried["tested"], tried["selected"]) == (tried["total"] - LEFT_OUT,) * 2
