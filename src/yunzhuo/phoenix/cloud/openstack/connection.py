"""Calls to the cloud's services: bounded, retried only where that is safe, answered in JSON or in the interface's errors.

openstacksdk brings clouds.yaml, credentials and their renewal, the catalog, regions, CAs and microversions. Its resource
classes are not used: they make calls of their own, and what we read of an answer is little.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Literal, NoReturn, cast

import openstack
from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.base import BaseIdentityPlugin
from openstack import exceptions as sdk_errors
from openstack.connection import Connection as SdkConnection
from openstack.warnings import RemovedInSDK60Warning
from requests import RequestException, Response

from yunzhuo import __version__
from yunzhuo.phoenix.cloud.errors import CloudNotOffered, CloudUnavailable, NoCapacity
from yunzhuo.phoenix.common.errors import Conflict, Forbidden, InvalidInput, YunzhuoError
from yunzhuo.phoenix.config.settings import OpenStackSettings

Service = Literal["compute", "image", "network", "block-storage", "identity"]
Json = Mapping[str, Any]
#: What to raise for a status of HTTP. The cloud's own words and the id of the request come as keywords.
Refusals = Mapping[int, Callable[..., YunzhuoError]]

#: Nova's microversions. Reading: the last in which a server has its flavor's id. Creating: host name and tags (2.90, Xena).
READ = "2.46"
CREATE = "2.90"
#: The first in which a server whose disk is a volume is put back to an image (Zed); before, Nova would leave the disk as it is.
REBUILD_VOLUME = "2.93"
#: The last in which a hypervisor says what is left on it.
HYPERVISORS = "2.87"
#: The first with `spice-direct` (2025.1); not needed for anything else.
SPICE_DIRECT = "2.99"
#: Cinder's: attachments (3.27), going back to a snapshot (3.40; Pike, 2017).
VOLUMES = "3.44"

# A look that met a broken connection or a busy service is made once more; a wish never is: nobody knows what became of it.
_LOOKS_AGAIN: Mapping[str, Any] = {
    "status_code_retries": 1,
    "retriable_status_codes": [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE],
}
_WITH_MICROVERSIONS = frozenset({"compute", "block-storage"})
_ONCE: Mapping[str, Any] = {"status_code_retries": 0}
_MESSAGE_MAX_CHARACTERS = 500
_SCOPES = ("project_id", "project_name", "project_domain_id", "project_domain_name", "domain_id", "domain_name")
_DOMAIN_ID = re.compile(r"[0-9a-f]{32}|default")
_PIECE_BYTES = 1024 * 1024


class Connection:
    """One project of one cloud (or, for Keystone alone, one domain), for any number of threads.

    ``scope`` is what tokens are for, in the words of clouds.yaml; empty: what that file says.
    """

    def __init__(
        self, settings: OpenStackSettings, *, timeout_seconds: float, scope: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.settings = settings
        self._timeout_seconds = timeout_seconds
        self._sdk = _connect(settings, scope)
        # For what is asked on the way: tokens, the catalog, versions.
        self._sdk.session.timeout = timeout_seconds

    def in_project(self, project_id: str) -> "Connection":
        """The same account in another project."""
        return Connection(self.settings, timeout_seconds=self._timeout_seconds, scope={"project_id": project_id})

    def in_domain(self, domain: str) -> "Connection":
        """The same account in a domain, by its id or name."""
        word = "domain_id" if _DOMAIN_ID.fullmatch(domain) else "domain_name"
        return Connection(self.settings, timeout_seconds=self._timeout_seconds, scope={word: domain})

    @cached_property
    def domain_id(self) -> str:
        """The domain that tokens are for."""
        with _translated("identity"):
            account = cast(BaseIdentityPlugin, self._sdk.session.auth)
            return str(account.get_access(self._sdk.session).domain_id or "")

    @property
    def project_id(self) -> str:
        """The project that all is in."""
        with _translated("identity"):
            return str(self._sdk.current_project_id)

    def get(self, service: Service, path: str, *, version: str | None = READ, within_seconds: float | None = None) -> Json:
        """Look. Raises NotFound's kind as told by the caller with :meth:`ask`; here 404 is a failure of the cloud."""
        return self.ask(service, "GET", path, version=version, within_seconds=within_seconds)

    def ask(
        self,
        service: Service,
        method: str,
        path: str,
        body: Json | Sequence[Json] | None = None,
        *,
        version: str | None = READ,
        refusals: Refusals | None = None,
        within_seconds: float | None = None,
        revision: int | None = None,
        content_type: str | None = None,
    ) -> Json:
        """The answer's JSON; empty where there is none. ``version`` is Nova's or Cinder's microversion.

        ``revision`` is Neutron's: of what has changed since then nothing is changed, and it answers 412. ``content_type`` says
        what kind of JSON the body is.
        """
        return _json(
            self._asked(
                service,
                method,
                path,
                body,
                version=version,
                refusals=refusals,
                within_seconds=within_seconds,
                revision=revision,
                content_type=content_type,
            )
        )

    def ask_noted(
        self, service: Service, method: str, path: str, body: Json, *, version: str = READ
    ) -> tuple[Json, str | None]:
        """:meth:`ask`, and the cloud's id of the request."""
        answer = self._asked(service, method, path, body, version=version)
        return _json(answer), request_id_of(answer)

    def _asked(
        self,
        service: Service,
        method: str,
        path: str,
        body: Json | Sequence[Json] | None,
        *,
        version: str | None,
        refusals: Refusals | None = None,
        within_seconds: float | None = None,
        revision: int | None = None,
        content_type: str | None = None,
    ) -> Response:
        limit = min(within_seconds or self._timeout_seconds, self._timeout_seconds)
        is_look = method == "GET"
        options: dict[str, Any] = {**(_LOOKS_AGAIN if is_look else _ONCE), "timeout": limit}
        if body is not None:
            options["json"] = body
        if service in _WITH_MICROVERSIONS:
            options["microversion"] = version
        if revision is not None:
            options["headers"] = {"If-Match": f"revision_number={revision}"}
        if content_type is not None:
            options["headers"] = {"Content-Type": content_type}
        with _translated(service):
            try:
                answer = self._request(service, method, path, options)
            except keystone_errors.ConnectFailure:  # which is not ConnectTimeout: there is no time left for another
                if not is_look:
                    raise
                answer = self._request(service, method, path, options)
        if not answer.ok:
            refuse(answer, refusals or {})
        return answer

    def send(self, service: Service, path: str, content: Iterable[bytes], *, refusals: Refusals) -> None:
        """Put bytes there, piece by piece as they come. What ``content`` raises ends it."""
        _ = self.project_id  # a token that has run out is renewed now: pieces that were sent cannot be sent again
        options = {**_ONCE, "timeout": self._timeout_seconds, "data": iter(content), "log": False}
        with _translated(service):
            answer = self._request(service, "PUT", path, {**options, "headers": {"Content-Type": "application/octet-stream"}})
        if not answer.ok:
            refuse(answer, refusals)

    def receive(self, service: Service, path: str, *, refusals: Refusals) -> Iterator[bytes]:
        """The bytes that are there, piece by piece; asked for when this is called. No bytes: what ``refusals`` say of 204."""
        options = {**_LOOKS_AGAIN, "timeout": self._timeout_seconds, "stream": True, "log": False}
        with _translated(service):
            answer = self._request(service, "GET", path, options)
        if not answer.ok or answer.status_code in refusals:
            refuse(answer, refusals)
        return _pieces(service, answer)

    def _request(self, service: Service, method: str, path: str, options: Mapping[str, Any]) -> Response:
        # The adapter's request, below the SDK's: that one guesses names for statistics, and warns of its own code.
        proxy = getattr(self._sdk, service.replace("-", "_"))
        answer: Response = Adapter.request(proxy, path, method, raise_exc=False, connect_retries=0, **options)
        return answer

    def pages(self, service: Service, path: str, name: str, *, version: str | None = READ) -> Iterator[Json]:
        """The objects of a list, page by page as the service cuts it. ``name`` is the list's name in the answer."""
        marker, separator = "", "&" if "?" in path else "?"
        while True:
            answer = self.get(service, f"{path}{separator}marker={marker}" if marker else path, version=version)
            found: Sequence[Json] = answer.get(name, ())
            yield from found
            has_more = any(link.get("rel") == "next" for link in answer.get(f"{name}_links", ())) or bool(answer.get("next"))
            if not has_more or not found:
                return
            marker = str(found[-1]["id"])

    def max_microversion(self) -> tuple[int, int]:
        """Nova's newest; (0, 0) where it does not say. Asked for once."""
        with _translated("compute"):
            data = self._sdk.compute.get_endpoint_data()
        newest = data.max_microversion if data else None
        return (int(newest[0]), int(newest[1])) if newest else (0, 0)

    def close(self) -> None:
        """Give back connections."""
        self._sdk.close()
        self._sdk.session.session.close()


def refuse(answer: Response, refusals: Refusals) -> NoReturn:
    """Raise what an answer other than 2xx means: as the caller says, else by its status alone, never by its text."""
    status, said = answer.status_code, message_of(answer)
    details: dict[str, object] = {"cloud_request_id": request_id_of(answer), "cloud_status": status}
    if status in refusals:
        raise refusals[status](said, **details)
    error: YunzhuoError
    if status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE):
        error = NoCapacity(f"The cloud has no room for it: {said}", **details)
    elif status == HTTPStatus.FORBIDDEN:
        error = Forbidden("cloud_forbids", f"The cloud does not allow Yunzhuo's account to do this: {said}", **details)
    elif status == HTTPStatus.CONFLICT:
        error = Conflict("cloud_conflict", f"The cloud refused: {said}", **details)
    elif status == HTTPStatus.BAD_REQUEST:
        error = InvalidInput(f"The cloud refused: {said}", code="cloud_refused")
        error.details = {**error.details, **details}
    else:
        error = CloudUnavailable(f"The cloud answered {status}: {said}", **details)
    raise error


def request_id_of(answer: Response) -> str | None:
    """By which its operators find the request in their logs."""
    found = answer.headers.get("x-openstack-request-id") or answer.headers.get("x-compute-request-id")
    return str(found)[:64] if found else None


def message_of(answer: Response) -> str:
    """What the service says, in one bounded line: each wraps it in another word ({"conflictingRequest": {"message": ...}})."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    while isinstance(found, dict) and found:
        found = found.get("message") or found.get("detail") or next(iter(found.values()))
    text = found if isinstance(found, str) else answer.reason or "no reason given"
    return " ".join(text.split())[:_MESSAGE_MAX_CHARACTERS]


def _connect(settings: OpenStackSettings, scope: Mapping[str, str]) -> SdkConnection:
    file = [settings.clouds_file] if settings.clouds_file else None
    try:
        with warnings.catch_warnings():
            # It warns of its own support for InfluxDB, whether anybody uses that or not.
            warnings.simplefilter("ignore", RemovedInSDK60Warning)
            # Empty words take the file's own scope away.
            wanted: dict[str, Any] = {**dict.fromkeys(_SCOPES, ""), **scope} if scope else {}
            known = openstack.config.OpenStackConfig(config_files=file, load_envvars=False)
            region = known.get_one(cloud=settings.cloud, **wanted)
        if settings.projects_domain and "applicationcredential" in region.config.get("auth_type", ""):
            message = "[openstack] projects_domain needs an account with a password: application credentials have one project."
            raise InvalidInput(message, code="cloud_settings_invalid")
        return SdkConnection(config=region, app_name="yunzhuo", app_version=__version__)
    except (sdk_errors.ConfigException, keystone_errors.ClientException, OSError) as error:
        where = settings.clouds_file or "openstacksdk's clouds.yaml"
        raise InvalidInput(
            f"The cloud {settings.cloud!r} of {where} cannot be used: {error}", code="cloud_settings_invalid"
        ) from error


@contextmanager
def _translated(service: str) -> Iterator[None]:
    """What goes wrong before there is an answer."""
    try:
        yield
    except (keystone_errors.Unauthorized, keystone_errors.AuthorizationFailure) as error:
        raise CloudUnavailable(
            "The cloud does not accept Yunzhuo's credentials.", cloud_request_id=getattr(error, "request_id", None)
        ) from error
    except (keystone_errors.EndpointNotFound, sdk_errors.ServiceDisabledException) as error:
        raise CloudNotOffered(f"a service for {service} in its catalog") from error
    except (keystone_errors.VersionNotAvailable, sdk_errors.NotSupported) as error:
        raise CloudNotOffered(f"the version of {service} that Yunzhuo needs") from error
    except (keystone_errors.ConnectionError, RequestException) as error:
        raise CloudUnavailable(f"The cloud does not answer (asked for {service}).", why=type(error).__name__) from error
    except keystone_errors.HttpError as error:
        raise CloudUnavailable(
            f"The cloud's identity service answered {error.http_status}.", cloud_request_id=error.request_id
        ) from error
    except (keystone_errors.ClientException, sdk_errors.SDKException) as error:
        why = f"{type(error).__name__}: {error}"[:_MESSAGE_MAX_CHARACTERS]
        raise CloudUnavailable(f"The cloud's {service} service cannot be asked.", why=why) from error


def _pieces(service: str, answer: Response) -> Iterator[bytes]:
    with _translated(service), answer:
        yield from answer.iter_content(_PIECE_BYTES)


def _json(answer: Response) -> Json:
    if not answer.content:
        return {}
    try:
        found = answer.json()
    except ValueError as error:
        raise CloudUnavailable(
            "The cloud's answer cannot be read.", cloud_request_id=request_id_of(answer), cloud_status=answer.status_code
        ) from error
    if not isinstance(found, dict):
        raise CloudUnavailable("The cloud's answer is not what it should be.", cloud_request_id=request_id_of(answer))
    return found
