"""Static files: built under names that carry their content's hash, so that browsers may keep them for ever."""

import json
from collections.abc import Mapping
from pathlib import Path

from flask import Flask, Response, request, url_for

from yunzhuo.phoenix.common.logging import get_logger

log = get_logger()

_BUILT = "dist"
_FOR_EVER = "public, max-age=31536000, immutable"


class Manifest:
    """Which hashed file a plain name means, as the front end's build wrote it down; read again when it was built again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at: int | None = None
        self._names: Mapping[str, str] = {}

    def hashed(self, name: str) -> str:
        """The built file's name; the plain one when nothing was built."""
        try:
            modified = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            modified = 0
        if modified != self._read_at:
            self._names = json.loads(self._file.read_text(encoding="utf-8")) if modified else {}
            self._read_at = modified
            if not modified:
                log.warning("front_end_not_built", file=str(self._file))
        return self._names.get(name, name)

    def names(self, folder: str) -> set[str]:
        """The paths below the static folder of everything that was built."""
        self.hashed("")
        return {f"{folder}/{name}" for name in self._names.values()}


def install(app: Flask) -> None:
    """Give templates ``asset("app.js")``: the address of a built file."""
    manifest = Manifest(Path(str(app.static_folder)) / _BUILT / "manifest.json")

    def asset(name: str) -> str:
        return url_for("static", filename=f"{_BUILT}/{manifest.hashed(name)}")

    def keep_built_files(response: Response) -> Response:
        if request.endpoint != "static" or response.status_code not in {200, 206, 304}:
            return response
        if (request.view_args or {}).get("filename") in manifest.names(_BUILT):
            response.headers["Cache-Control"] = _FOR_EVER
        return response

    app.jinja_env.globals["asset"] = asset
    app.after_request(keep_built_files)
