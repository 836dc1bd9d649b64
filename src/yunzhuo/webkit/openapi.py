"""What the OpenAPI document says beyond what routes and models say by themselves."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from yunzhuo.webkit.bodies import Problem
from yunzhuo.webkit.problems import MEDIA_TYPE

Json = dict[str, Any]
Responses = dict[int | str, dict[str, str | dict[str, dict[str, Any]]]]
_BYTES = {"type": "string", "format": "binary"}
_SCHEMAS = "#/components/schemas/"

_REASONS = {
    HTTPStatus.BAD_REQUEST: "The body is not JSON.",
    HTTPStatus.UNAUTHORIZED: "There is no token, or it is not good (any more).",
    HTTPStatus.FORBIDDEN: "Known, and not allowed.",
    HTTPStatus.NOT_FOUND: "There is no such thing, or it is somebody else's.",
    HTTPStatus.CONFLICT: "The present state, or a used-up limit, does not allow it.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than what is taken.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request says something impossible; `errors` says where.",
    HTTPStatus.TOO_MANY_REQUESTS: "Guessed too often; `Retry-After` says when to come back.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now; `Retry-After` says when to come back.",
}
BODY = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


def refusals(*statuses: int, also: Responses | None = None) -> Responses:
    """The refusals of a route, for ``doc(responses=...)``; ``also`` are answers of another kind."""
    return {**(also or {}), **{status: _problem_response(_REASONS[HTTPStatus(status)]) for status in sorted(statuses)}}


def _problem_response(description: str) -> Json:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}}


def finish(spec: Json | str, *, take_bytes: Sequence[tuple[str, str]] = ()) -> Json | str:
    """The finished document: problems everywhere, and every schema once under its plain name. ``take_bytes`` are the paths and
    methods whose body is a file as it is."""
    if isinstance(spec, str):
        raise TypeError("the document is made as JSON, not as YAML")
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
    for path, method in take_bytes:
        spec["paths"][path][method]["requestBody"] = {
            "content": {"application/octet-stream": {"schema": _BYTES}},
        }
    for operations in spec["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
            operation["responses"].setdefault("default", _problem_response("Anything else that went wrong."))
            for response in operation["responses"].values():
                if not response.get("content", True):
                    del response["content"]  # nothing is answered, which APIFlask writes as an empty choice
    return _with_plain_names(spec)


def _with_plain_names(spec: Json) -> Json:
    """APIFlask calls a model inside another one ``Outer.Inner``, once for each outer one; they are all the same."""
    schemas: Json = spec["components"]["schemas"]
    text = json.dumps(spec)
    for name in sorted(schemas, key=len, reverse=True):
        plain = name.rpartition(".")[2]
        text = text.replace(f'"{_SCHEMAS}{name}"', f'"{_SCHEMAS}{plain}"')
    renamed: Json = json.loads(text)
    found: Json = renamed["components"]["schemas"]
    plain_schemas: Json = {}
    for name in sorted(found):
        if plain_schemas.setdefault(name.rpartition(".")[2], found[name]) != found[name]:
            raise ValueError(f"two different schemas are called {name.rpartition('.')[2]}")
    renamed["components"]["schemas"] = plain_schemas
    return renamed
