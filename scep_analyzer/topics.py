"""What ``explain`` explains: rules, and SCEP's and Microsoft's numbers, each in a few sentences with citations."""

import difflib
import re
from dataclasses import dataclass, replace
from functools import cache

from scep_analyzer.glossary import (
    CAPABILITIES,
    CONTENT_TYPES,
    FAIL_INFO_MEANINGS,
    HRESULTS,
    MESSAGE_TYPES,
    OPERATIONS,
    STATUSES,
    Entry,
)
from scep_analyzer.model.scep import FailInfo, MessageType
from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.rules.certrep import HRESULT_ACTIONS
from scep_analyzer.scep import codes


@dataclass(frozen=True)
class Topic:
    """One thing to explain. ``sections`` are (heading, paragraphs)."""

    kind: str
    name: str
    title: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    references: tuple[str, ...]
    aliases: tuple[str, ...] = ()


KINDS = {
    "rule": "rules: what diagnose finds",
    "operation": "operations of the URL",
    "message type": "messageType",
    "status": "pkiStatus",
    "failInfo": "failInfo",
    "attribute": "signed attributes and attributes of requests",
    "capability": "capabilities",
    "content type": "content types",
    "HRESULT": "HRESULTs of NDES",
}

_ATTRIBUTES = {
    codes.MESSAGE_TYPE: ("messageType", "What the message is: a decimal number in a PrintableString.", "RFC 8894, Section 3.2.1.2"),
    codes.PKI_STATUS: ("pkiStatus", "How the server decided: 0 SUCCESS, 2 FAILURE, 3 PENDING, in a PrintableString.", "RFC 8894, Section 3.2.1.3"),
    codes.FAIL_INFO: ("failInfo", "Why a request is refused: 0 to 4, in a PrintableString.", "RFC 8894, Section 3.2.1.4"),
    codes.SENDER_NONCE: ("senderNonce", "16 random bytes that the sender chooses, in an OCTET STRING.", "RFC 8894, Section 3.2.1.5"),
    codes.RECIPIENT_NONCE: ("recipientNonce", "The senderNonce of the request, given back in the answer.", "RFC 8894, Section 3.2.1.5"),
    codes.TRANSACTION_ID: ("transactionID", "Names the transaction, in a PrintableString; often a hash of the public key, so that retries share it.", "RFC 8894, Section 3.2.1.1"),
    codes.FAIL_INFO_TEXT: ("failInfoText", "Why a request is refused, in words (UTF8String). Some servers send it under 1.3.6.1.5.5.7.24, by mistake.", "RFC 8894, Section 3.2.1.4"),
    codes.CONTENT_TYPE: ("contentType", "What the signed content is; CMS demands it beside any signed attribute.", "RFC 5652, Section 11.1"),
    codes.MESSAGE_DIGEST: ("messageDigest", "The hash of the content; CMS demands it beside any signed attribute.", "RFC 5652, Section 11.2"),
    codes.SIGNING_TIME: ("signingTime", "When the sender says that it signed. Optional; a server may answer badTime by it.", "RFC 5652, Section 11.3"),
    codes.HRESULT: ("ENROLL_SCEP_ERROR", "NDES's own reason for a refusal: an HRESULT as a signed decimal in a PrintableString, readable without a key.", "wincrypt.h, szOID_ENROLL_SCEP_ERROR"),
    "2.16.840.1.113733.1.9.8": ("extensionReq", "VeriSign's attribute for the extensions that a request asks for.", "draft-nourse-scep-23"),
    "1.2.840.113549.1.9.7": ("challengePassword", "The password in the PKCS #10 request by which the server knows that its sender may enroll.", "RFC 2985, Section 5.4.1"),
    "1.2.840.113549.1.9.14": ("extensionRequest", "The extensions that a PKCS #10 request asks for.", "RFC 2985, Section 5.4.2"),
    "1.3.6.1.4.1.311.2.1.14": ("certificateExtensions", "Microsoft's attribute for the same.", "[MS-WCCE], Section 2.2.2.7.7"),
    "1.3.6.1.4.1.311.20.2": ("certificateTemplateName", "The template that a request names (version 1 templates). NDES chooses by its registry instead.", "[MS-WCCE], Section 2.2.2.7.7.1"),
    "1.3.6.1.4.1.311.21.7": ("certificateTemplate", "The template that a request or certificate names (version 2 and later).", "[MS-WCCE], Section 2.2.2.7.7.2"),
    "1.3.6.1.4.1.311.25.2": ("ntdsCaSecurityExtension", "The SID of the account, for strong mapping at domain controllers.", "support.microsoft.com, KB5014754"),
    "1.3.6.1.4.1.311.20.2.1": ("certificateRequestAgent", "The purpose that both RA certificates of NDES carry; their keyUsage tells them apart.", "learn.microsoft.com, NDES"),
}  # fmt: skip


@cache
def topics() -> tuple[Topic, ...]:
    """All of them, by kind."""
    return (
        *(_rule_topic(each) for each in RULES),
        *(_word("operation", name, name, entry) for name, entry in OPERATIONS.items()),
        *(_message_type(MessageType(each), entry) for each, entry in MESSAGE_TYPES.items()),
        *(
            _word("status", each.name, f"pkiStatus {each.value}, {each.name}", entry, f"pkistatus {each.value}", f"status {each.value}")
            for each, entry in STATUSES.items()
        ),
        *(_fail_topic(each) for each in FailInfo),
        *(
            Topic("attribute", name, f"{name}, {oid}", (("Meaning", (text,)),), (source,), (oid,))
            for oid, (name, text, source) in _ATTRIBUTES.items()
        ),
        *(_word("capability", name, f"Capability {name}", entry) for name, entry in CAPABILITIES.items() if name not in OPERATIONS),
        *(_word("content type", name, name, entry) for name, entry in CONTENT_TYPES.items()),
        *(_hresult_topic(number) for number in HRESULTS),
    )  # fmt: skip


def _word(kind: str, name: str, title: str, entry: Entry, *aliases: str) -> Topic:
    return Topic(kind, name, title, (("Meaning", (entry.meaning,)),), (entry.source,), aliases)


def _message_type(number: MessageType, entry: Entry) -> Topic:
    aliases = (f"messagetype {number.value}", *(("getcertinitial",) if number is MessageType.CertPoll else ()))
    topic = _word("message type", number.name, f"messageType {number.value}, {number.name}", entry, *aliases)
    return replace(topic, references=(*topic.references, "IANA, SCEP message types"))


def _rule_topic(rule: object) -> Topic:
    from scep_analyzer.rules._rule import Rule

    assert isinstance(rule, Rule)  # noqa: S101  # the catalogue holds nothing else
    page = rule.page
    needs = {
        "ra": "the RA's or CA's private key (--key)",
        "client": "the client's private key (--key), unless the server sends the certificate in the clear",
        "tls": "TLS secrets",
    }
    sections = [
        *page.sections,
        (
            "How it is judged",
            (
                f"{rule.severity.value}, {rule.strength.value}; needs {needs[rule.needs] if rule.needs else 'the capture only'}.",
            ),
        ),
    ]
    return Topic("rule", rule.id, page.title, tuple(sections), rule.references)


_FAIL_RULES = {
    FailInfo.badAlg: "certrep-badalg",
    FailInfo.badMessageCheck: "certrep-badmessagecheck",
    FailInfo.badRequest: "certrep-badrequest",
    FailInfo.badTime: "certrep-badtime",
    FailInfo.badCertId: "certrep-badcertid",
}


def _fail_topic(info: FailInfo) -> Topic:
    page = next(each.page for each in RULES if each.id == _FAIL_RULES[info])
    sections = (
        ("Meaning", (FAIL_INFO_MEANINGS[info][0].upper() + FAIL_INFO_MEANINGS[info][1:] + ".",)),
        ("Why it comes", page.why),
        ("What to do", page.do),
    )
    return Topic(
        "failInfo",
        info.name,
        f"failInfo {info.value}, {info.name}",
        sections,
        ("RFC 8894, Section 3.2.1.4",),
        (f"failinfo {info.value}",),
    )


def _hresult_topic(number: int) -> Topic:
    name, usual = HRESULTS[number]
    decimal = number - (1 << 32)
    action = HRESULT_ACTIONS.get(number)
    sections = [("Meaning", (usual[0].upper() + usual[1:] + ".",))]
    if action is not None:
        sections.append(("What to do", (action,)))
    sections.append(
        ("Where", (f"In the signed attribute ENROLL_SCEP_ERROR ({codes.HRESULT}) of an answer of NDES, as {decimal}.",))
    )
    return Topic(
        "HRESULT", f"0x{number:08X}", f"0x{number:08X} {name}", tuple(sections), ("winerror.h",), (name, str(decimal))
    )


def find(words: str) -> list[Topic]:
    """The topics with this name or number; several where a name means several things (GetNextCACert)."""
    wanted = _plain(words)
    return [each for each in topics() if wanted in map(_plain, (each.name, *each.aliases))]


def near(words: str) -> list[str]:
    """Names that the user may have meant, the nearest first."""
    wanted = _plain(words)
    names = {_plain(name): each.name for each in topics() for name in (each.name, *each.aliases)}
    inside = [name for plain, name in names.items() if wanted and wanted in plain]
    close = [names[plain] for plain in difflib.get_close_matches(wanted, names, n=5, cutoff=0.6)]
    return list(dict.fromkeys((*close, *inside)))[:5]


def _plain(words: str) -> str:
    """How a topic is compared: lower case, one blank, no braces; a bare 8-digit hexadecimal number is an HRESULT."""
    plain = re.sub(r"[\s_]+", " ", words.strip().lower())
    return f"0x{plain}" if re.fullmatch(r"8[0-9a-f]{7}", plain) else plain
