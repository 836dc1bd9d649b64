"""What installations ask, which have no account here: their key is who they are."""

from http import HTTPStatus
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from yunzhuo.license.api import models
from yunzhuo.license.context import license_server
from yunzhuo.webkit.openapi import refusals

blueprint = APIBlueprint("activation", __name__, tag="Activation")
_ANSWER: Any = {"description": "The answer, signed.", "content": {"application/json": {"schema": {"type": "object"}}}}


@blueprint.post("/activation/challenges")
@blueprint.output(models.Challenge, HTTPStatus.CREATED)
def challenge() -> models.Challenge:
    """Get a challenge"""
    return models.Challenge(challenge=license_server().activation.challenge())


@blueprint.post("/activation")
@blueprint.doc(responses=refusals(404, 409, 422, also={200: _ANSWER}))
def answer() -> Response:
    """Get the license of whoever asks

    The body is an activation request, signed by the installation with the challenge in it.
    """
    document = license_server().activation.answer(request.get_data())
    return Response(document, content_type="application/json")
