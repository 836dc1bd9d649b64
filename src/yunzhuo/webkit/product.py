"""What a process with pages is called, where people land in it, and its own words: pages that both have ask for it here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app
from flask_babel.speaklater import LazyString

from yunzhuo.services.access import Role

_EXTENSION = "yunzhuo-product"


@dataclass(frozen=True, slots=True)
class Product:
    """``home`` is the endpoint where people land, ``home_words`` and ``home_icon`` what leads there from an error page.

    ``greeting`` stands over the sign-in form; ``roles`` are what roles are called; ``refusals`` what people read of the codes
    of errors, ``fields`` of those that are wrong in a form. ``makes_tokens``: there is a page that makes API tokens.
    """

    name: LazyString
    greeting: LazyString
    home: str
    home_words: LazyString
    home_icon: str
    roles: Mapping[Role, LazyString]
    refusals: Mapping[str, LazyString] = field(repr=False)
    fields: Mapping[str, LazyString] = field(repr=False)
    makes_tokens: bool = False


def install(app: Flask, one: Product) -> None:
    """Say which product this application is."""
    app.extensions[_EXTENSION] = one
    app.jinja_env.globals["product"] = one


def product() -> Product:
    """The product of the application that answers this request."""
    return cast(Product, current_app.extensions[_EXTENSION])
