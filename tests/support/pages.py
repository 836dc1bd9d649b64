"""The portal without a browser: pages are read, and their forms are filled in and sent with all that they carry."""

import itertools
from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask import Flask
from flask.testing import FlaskClient
from tests.support.installation import PASSWORD, Installation
from werkzeug.test import TestResponse

from yunzhuo.services.access import Actor, Role

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9"}
PART = {"HX-Request": "true"}
_numbers = itertools.count(1)
_CHECKED = ("radio", "checkbox")
_VOID = frozenset({"br", "circle", "hr", "img", "input", "link", "meta", "path", "rect"})


@dataclass
class Form:
    """A form of a page: where it goes, and what it carries."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Control:
    """Something to be filled in, and whether anything says what."""

    kind: str
    id: str
    has_name: bool


class Page(HTMLParser):
    """What tests look at in a page. ``text`` is what people read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.language = ""
        self.forms: list[Form] = []
        self.controls: list[Control] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.headings: list[str] = []
        self._labelled: set[str] = set()
        self._inside: list[str] = []
        self._words: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """The words of the page, one space between them."""
        return " ".join(" ".join(self._words).split())

    @property
    def unnamed(self) -> list[Control]:
        """Controls that nothing names."""
        return [control for control in self.controls if not control.has_name and control.id not in self._labelled]

    def form(self, action_end: str, **carrying: str) -> Form:
        """The form that goes to an address with this end (empty: back to the page itself), and carries these values."""
        found = [
            form
            for form in self.forms
            if (form.action.endswith(action_end) if action_end else not form.action) and carrying.items() <= form.fields.items()
        ]
        assert found, f"no form to {action_end} with {carrying} among {[form.action for form in self.forms]}"
        return found[0]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._note_what_is_forbidden(tag, attributes)
        if tag not in _VOID:
            self._inside.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "html":
            self.language = attributes["lang"]
        elif tag == "form":
            self.forms.append(Form(attributes.get("action", ""), attributes.get("method", "get")))
        elif tag == "label":
            self._labelled.add(attributes.get("for", ""))
        elif tag in ("input", "button", "select", "textarea"):
            self._note_control(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style", "template"} & set(self._inside):
            self._words.append(data)
        if self._inside and self._inside[-1] == "h1":
            self.headings.append(data.strip())

    def _note_control(self, tag: str, attributes: dict[str, str]) -> None:
        kind = attributes.get("type", tag)
        if (
            self.forms
            and "form" in self._inside
            and attributes.get("name")
            and (kind not in _CHECKED or "checked" in attributes)
        ):
            self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
        if kind in ("hidden", "submit", "button"):
            return
        is_named = "label" in self._inside or "aria-label" in attributes
        self.controls.append(Control(kind, attributes.get("id", ""), is_named))

    def _note_what_is_forbidden(self, tag: str, attributes: dict[str, str]) -> None:
        """What the Content-Security-Policy would keep from working."""
        inline = [name for name in attributes if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in attributes) or inline:
            self.inline.append(f"<{tag} {' '.join(inline)}>")


class Visitor:
    """Somebody with a browser without scripts."""

    def __init__(self, client: FlaskClient, headers: dict[str, str] | None = None) -> None:
        self.client = client
        self.headers = headers or {}

    def get(self, path: str, status: int = 200, headers: dict[str, str] | None = None) -> Page:
        """A page, which must come with this status."""
        answer = self.client.get(path, headers={**self.headers, **(headers or {})})
        assert answer.status_code == status, f"{path}: {answer.status}"
        return Page(answer.text)

    def send(self, path: str, form: Form, headers: dict[str, str] | None = None, /, **values: str) -> TestResponse:
        """Fill in a form of the page at ``path`` and send it."""
        address = form.action or path
        return self.client.post(address, data={**form.fields, **values}, headers={**self.headers, **(headers or {})})

    def fill_in(self, path: str, headers: dict[str, str] | None = None, /, **values: str) -> TestResponse:
        """Fill in the form of this page that goes back to the page itself."""
        return self.send(path, self.get(path).form(""), headers, **values)

    def change(self, path: str, address: str = "", /, **values: str) -> Page:
        """Send something with the token of this page, to the page itself if nowhere else, and read what comes next."""
        token = next(form.fields["csrf_token"] for form in self.get(path).forms if "csrf_token" in form.fields)
        data = {"csrf_token": token, **values}
        answer = self.client.post(address or path, data=data, headers=self.headers, follow_redirects=True)
        assert answer.status_code < 500, answer.text
        return Page(answer.text)

    def sign_in(self, email: str, password: str) -> None:
        """Sign in; it must succeed."""
        answer = self.fill_in("/sign-in", email=email, password=password)
        assert answer.status_code == 303, Page(answer.text).text


def somebody(yunzhuo: Installation, name: str, role: Role = Role.USER) -> Actor:
    """A new person with this name and a number."""
    return yunzhuo.person(f"{name}-{next(_numbers)}", role)


def signed_in(app: Flask, person: Actor) -> Visitor:
    """This person with a browser of their own."""
    browser = Visitor(app.test_client())
    browser.sign_in(person.email, PASSWORD)
    return browser
