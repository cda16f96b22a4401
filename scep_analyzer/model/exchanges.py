"""HTTP requests and responses as values (RFC 9110, RFC 9112)."""

from typing import NamedTuple
from urllib.parse import urlsplit

from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.secrets import secrets_in, without_secrets

__all__ = [
    "BYSTANDERS",
    "Body",
    "Header",
    "HttpExchange",
    "Request",
    "Response",
    "header",
    "path_of",
    "secrets_in",
    "without_secrets",
]

Header = tuple[str, str]


class Body(NamedTuple):
    """The content of a message.

    ``content`` is the bytes after chunks and compression are decoded, None where they were not kept (not SCEP). ``length``
    counts the bytes in the capture, chunk framing excluded, compression included. Where a hole lies in the body,
    ``content`` is what comes before it and ``complete`` is False.
    """

    content: bytes | None
    length: int
    complete: bool


class Request(NamedTuple):
    """One HTTP request. ``target`` and ``headers`` are as sent, bytes read as Latin-1.

    ``cut_by`` says what ended an incomplete message: gap (bytes missing from the capture), fin, rst, reused, limit,
    end-of-capture, framing (a chunk size that is none). ``time_ns`` and ``end_ns`` are the times of its first and last byte.
    ``sliced``: frames whose end the capture's snaplen took, the first few.
    """

    method: str
    target: str
    version: str
    headers: tuple[Header, ...]
    body: Body
    frames: tuple[int, ...]
    time_ns: int | None
    complete: bool
    cut_by: str | None = None
    end_ns: int | None = None
    sliced: tuple[int, ...] = ()


class Response(NamedTuple):
    """One final HTTP response (1xx ones are stepped over). ``cut_by`` as in :class:`Request`."""

    status: int
    reason: str
    version: str
    headers: tuple[Header, ...]
    body: Body
    frames: tuple[int, ...]
    time_ns: int | None
    complete: bool
    cut_by: str | None = None
    end_ns: int | None = None
    sliced: tuple[int, ...] = ()
    substatus: int | None = None
    """What IIS logs behind the status: 404.15 is a query that is too long."""


class HttpExchange(NamedTuple):
    """A request and its response; either may be missing from the capture, not both.

    ``gone`` says why there is no response: how the connection ended (fin, rst, reused, end-of-capture, limit), or lost where
    the capture misses it. ``tls``: it was decrypted; frames are then those that complete a TLS record.
    """

    connection: int
    client: Endpoint
    server: Endpoint
    request: Request | None
    response: Response | None
    gone: str | None = None
    tls: bool = False

    @property
    def frame(self) -> int:
        """The first frame of the exchange."""
        message = self.request or self.response
        return message.frames[0] if message is not None and message.frames else 0

    @property
    def time_ns(self) -> int | None:
        """When the exchange began."""
        message = self.request or self.response
        return message.time_ns if message is not None else None


BYSTANDERS = {"mscep_admin": "admin", "certificateregistrationsvc": "policy-module", ".crl": "crl"}
"""What in a request's path tells that it accompanies SCEP, and as what: NDES's administration page, its policy module's question, a CRL."""


def path_of(target: str) -> str:
    """The path of a request target, in origin or absolute form (RFC 9112, Section 3.2)."""
    path = without_secrets(target.partition("?")[0])
    if not path.lower().startswith(("http://", "https://")):
        return path
    try:
        return urlsplit(path).path or "/"
    except ValueError:  # a bad IPv6 address in the URL
        return "/"


def header(headers: tuple[Header, ...], name: str) -> str | None:
    """The first field of this name (given in lower case), None where there is none."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return None
