"""Which HTTP exchanges are SCEP's, and what they say."""

import base64
from collections.abc import Iterable

import pytest

from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.scep import CaCapabilities, CaCertificates, PkiMessage, ScepExchange
from scep_analyzer.model.told_secrets import WITHHELD
from scep_analyzer.scep.exchanges import Interpreter
from tests import talk
from tests.builders import pki
from tests.builders.scene import CA, ENCRYPTER, SIGNER


def _read(exchanges: Iterable[HttpExchange], limits: Limits | None = None) -> list[ScepExchange]:
    return [each for each in Interpreter(limits or Limits()).over(list(exchanges)) if isinstance(each, ScepExchange)]


def _codes(exchange: ScepExchange) -> list[str]:
    return [each.code for each in exchange.anomalies]


def test_get_and_post_of_one_message_are_equal() -> None:
    encoded = talk.message(19)
    by_get, by_post = _read([talk.http(talk.get(encoded)), talk.http(talk.POST, post=encoded)])
    assert by_get.request == by_post.request
    assert by_get.request is not None
    assert by_get.request.message_type == 19
    assert (_codes(by_get), _codes(by_post)) == ([], [])


def test_bodies_are_released() -> None:
    (exchange,) = _read([talk.http(talk.POST, talk.reply(0), post=talk.message(19))])
    assert exchange.http.request is not None
    assert exchange.http.response is not None
    assert (exchange.http.request.body.content, exchange.http.response.body.content) == (None, None)


def test_ca_certificates_and_capabilities() -> None:
    caps, certificates = _read(
        [
            talk.http("/scep?operation=GetCACaps", b"AES\nSHA-256", "text/plain"),
            talk.http(
                "/scep?operation=GetCACert&message=my%20CA",
                pki.degenerate([CA, SIGNER]),
                "application/x-x509-ca-ra-cert",
            ),
        ]
    )
    assert caps.response == CaCapabilities(("AES", "SHA-256"), "lf")
    assert isinstance(certificates.response, CaCertificates)
    assert sorted(each.role or "" for each in certificates.response.certificates) == ["ca", "ra-signing"]
    assert certificates.message_parameter == "my CA"


@pytest.mark.parametrize("kind", [None, "text/html", "application/x-x509-ca-cert", "application/octet-stream"])
def test_certificates_are_read_whatever_the_content_type_says(kind: str | None) -> None:
    (exchange,) = _read([talk.http("/scep?operation=GetCACert", pki.degenerate([CA, SIGNER]), kind)])
    assert isinstance(exchange.response, CaCertificates)
    assert exchange.response.form == "degenerate"


def test_a_signer_left_out_of_a_reply_is_found_among_the_ca_certificates() -> None:
    attributes = [pki.printable(pki.MESSAGE_TYPE, "3"), pki.printable(pki.PKI_STATUS, "3")]
    bare = pki.signed_message(None, attributes, SIGNER, pki.key("ra-signing"), None)
    known, unknown = (
        _read([*before, talk.http(talk.POST, bare, post=talk.message(19))])[-1].reply
        for before in ([talk.http("/scep?operation=GetCACert", pki.degenerate([CA, SIGNER, ENCRYPTER]))], [])
    )
    assert known is not None
    assert known.signer is not None
    assert known.signer.role == "ra-signing"
    assert unknown is not None
    assert unknown.signer is None


def test_the_issued_certificate_in_the_clear_is_the_one_with_the_requesters_key() -> None:
    (exchange,) = _read([talk.http(talk.POST, talk.reply(0, issued=True), post=talk.message(19))])
    assert exchange.reply is not None
    assert exchange.reply.issued is not None
    assert exchange.reply.issued.serial_number == "15"
    assert {each.role for each in exchange.reply.certificates} == {"issued", "ra-signing"}


def test_an_endpoint_that_carries_scep_is_listed_wholly_also_what_came_before() -> None:
    found = _read(
        [
            talk.http("/scep", b"hello"),
            talk.http("/other?operation=view", b"page"),
            talk.http("/scep?operation=GetCACaps", b"AES"),
            talk.http("/scep?operation=Frobnicate", b"no", status=400),
        ]
    )
    assert [(each.operation, each.operation_as_sent) for each in found] == [
        (None, None),
        ("GetCACaps", "GetCACaps"),
        ("Frobnicate", "Frobnicate"),
    ]


def test_undecided_exchanges_are_bounded() -> None:
    early = [talk.http("/scep", b"") for _ in range(5)]
    found = _read([*early, talk.http("/scep?operation=GetCACaps", b"AES")], Limits(undecided_exchanges=2))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("target", "answer", "kind", "listed"),
    [
        ("/other", b"x", "application/x-pki-message", True),
        ("/pki", talk.reply(2), None, True),
        ("/crl/ca.crt", CA, "application/x-x509-ca-cert", False),  # a CA certificate by AIA
        ("/index.html?operation=view", b"<html>", "text/html", False),
    ],
)
def test_scep_is_recognised_by_type_and_body(target: str, answer: bytes, kind: str | None, listed: bool) -> None:
    assert len(_read([talk.http(target, answer, kind)])) == listed


def test_one_direction_only() -> None:
    answers = _read(
        [
            talk.http("", CA, "application/x-x509-ca-cert", request=False),
            talk.http("", b"AES\nPOSTPKIOperation\n", "text/plain", request=False),
            talk.http("", talk.reply(0), talk.PKI_MESSAGE, request=False),
        ]
    )
    assert [type(each.response) for each in answers] == [CaCertificates, CaCapabilities, PkiMessage]


@pytest.mark.parametrize(
    ("exchange", "codes"),
    [
        (talk.http(talk.POST, post=base64.b64encode(talk.message(19))), ["body-base64"]),
        (talk.http(talk.get(talk.message(19)), post=b""), ["message-in-post-query"]),
        (talk.http(talk.get(talk.message(19)), post=b"none"), ["message-in-post-query"]),
        (talk.http(talk.POST, post=b""), ["message-missing"]),
        (talk.http(talk.POST, post=talk.message(19)[:-9]), ["message-unreadable"]),
        (talk.http("/scep?operation=pkioperation", post=talk.message(19)), ["operation-spelling"]),
    ],
)
def test_tolerated_forms_are_noted(exchange: HttpExchange, codes: list[str]) -> None:
    (found,) = _read([exchange])
    assert _codes(found) == codes
    assert found.operation == "PKIOperation"


def test_a_reply_where_a_request_belongs_is_read_by_its_content() -> None:
    (found,) = _read([talk.http(talk.get(talk.reply(2, fail_info=2)))])
    assert found.request is not None
    assert (found.request.message_type, found.request.fail_info) == (3, 2)


def test_what_an_error_page_says_is_kept_but_no_challenge_password() -> None:
    page = b"<html><head><style>p{}</style><title>404 - Not Found</title></head><body><p>No &amp; no</p></body></html>"
    admin = "The enrollment challenge password is: <B> 0A1B2C3D </B>".encode("utf-16")
    error, secret, binary = _read(
        [
            talk.http(talk.POST, page, "text/html", post=talk.message(19), status=404),
            talk.http("/certsrv/mscep_admin/?operation=GetCACert", admin, "text/html"),
            talk.http("/scep?operation=GetCACert", b"\x00\x01\x02\x03", "application/octet-stream"),
        ]
    )
    assert error.body_text == "404 - Not Found No & no"
    assert secret.body_text == WITHHELD
    assert binary.body_text is None


def test_a_truncated_get_still_tells_for_whom_it_is_encrypted() -> None:
    """IIS and proxies cut long queries; the recipient stands at the beginning."""
    whole = talk.get(talk.message(19))
    (found,) = _read([talk.http(whole[: len(whole) // 2], b"", status=404)])
    assert found.request is not None
    assert found.request.partial
    assert found.request.envelope is not None
    assert [each.identity for each in found.request.envelope.recipients] == [("CN=Test CA", "0b")]
    assert (found.request.message_type, found.request.signature.valid) == (None, None)
    assert "message-unreadable" in _codes(found)
