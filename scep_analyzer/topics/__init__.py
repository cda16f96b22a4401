"""What ``explain`` explains: rules, the words of the glossary, and every number, code and OID that an output prints."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from scep_analyzer.cms import algorithms
from scep_analyzer.cms.certificates import EXTENDED_KEY_USAGES, EXTENSIONS
from scep_analyzer.cms.requests import ATTRIBUTES as REQUEST_ATTRIBUTES
from scep_analyzer.glossary import (
    CAPABILITIES,
    CONTENT_TYPES,
    FAIL_INFO_ENTRIES,
    FIELD_ENTRIES,
    HRESULTS,
    MESSAGE_TYPES,
    OPERATIONS,
    OTHER_WORDS,
    STATUSES,
    TERMS,
    Entry,
)
from scep_analyzer.model.products import CLIENTS, FRONTS, SERVERS
from scep_analyzer.model.scep import FailInfo, MessageType
from scep_analyzer.rules._rule import Rule
from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.rules.certrep import HRESULT_ACTIONS
from scep_analyzer.scep import codes
from scep_analyzer.topics import devices, network, oids, program, windows
from scep_analyzer.topics._table import Table


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
    "rule": "what the program checks",
    "term": "words of SCEP and of certificates",
    "field": "fields, attributes and extensions, with their OIDs",
    "operation": "operations in the URL",
    "message type": "values of messageType",
    "status": "values of pkiStatus",
    "failInfo": "values of failInfo",
    "capability": "keywords of GetCACaps",
    "content type": "media types in HTTP",
    "OID": "algorithms, purposes, content types",
    "HRESULT": "errors of NDES and of Windows clients",
    "event": "events of NDES and of Windows clients",
    "Intune code": "Intune and its connector",
    "HTTP status": "HTTP, sub-statuses of IIS, reasons of http.sys",
    "network": "TLS alerts, ICMP, DNS",
    "Apple code": "iOS, iPadOS, macOS",
    "device code": "Cisco, Fortinet, open source clients, hosted services",
    "anomaly": "damage and unusual bytes, as the JSON names them",
    "outcome": "outcomes, verdicts, severities, roles",
    "product": "servers, proxies and clients that are recognized",
}
"""Every kind, and what it holds. Topics are listed in this order."""

GLOSSARY = ("term", "field")
"""The kinds that ``explain glossary`` lists."""

_OTHER_OIDS = {
    codes.CONTENT_TYPE: "contentType",
    codes.MESSAGE_DIGEST: "messageDigest",
    codes.SIGNING_TIME: "signingTime",
    codes.FAIL_INFO_TEXT_MISTAKEN: "failInfoText",
    "1.2.840.113549.1.9.14": "extensionRequest",
    "1.3.6.1.4.1.311.2.1.14": "certificateExtensions",
}
_FIELD_ALIASES = {
    "challengePassword": ("challenge password",),
    "ENROLL_SCEP_ERROR": ("szOID_ENROLL_SCEP_ERROR",),
    "ntdsSecurityIdentifier": ("ntdsCaSecurityExtension", "szOID_NTDS_CA_SECURITY_EXT"),
    "cRLDistributionPoints": ("CDP",),
    "authorityInfoAccess": ("AIA",),
    "pkcsPKIEnvelope": ("pkcs PKI envelope",),
}


@cache
def topics() -> tuple[Topic, ...]:
    """All of them, in the order of KINDS."""
    order = list(KINDS)
    return tuple(sorted(_topics(), key=lambda each: order.index(each.kind)))


def _topics() -> Iterator[Topic]:
    yield from map(_rule_topic, RULES)
    for name, entry in TERMS.items():
        yield _word("term", name, entry, *_other_words(name))
    numbers = _oids_of_fields()
    for name, entry in FIELD_ENTRIES.items():
        found = numbers.get(name, ())
        topic = _word("field", name, entry, *found, *_FIELD_ALIASES.get(name, ()), *_other_words(name))
        yield replace(topic, title=f"{name}, {found[0]}") if found else topic
    for name, entry in OPERATIONS.items():
        yield _word("operation", name, entry)
    for number, entry in MESSAGE_TYPES.items():
        yield _message_type(MessageType(number), entry)
    for each, entry in STATUSES.items():
        topic = _word("status", each.name, entry, f"pkistatus {each.value}", f"status {each.value}")
        yield replace(topic, title=f"pkiStatus {each.value}, {each.name}")
    yield _word(
        "status", "pkiStatus 1", Entry("not assigned", "Not assigned. RFC 8894 has 0 SUCCESS, 2 FAILURE and 3 PENDING.", "RFC 8894, Section 3.2.1.3"), "status 1"
    )  # fmt: skip
    yield from map(_fail_topic, FailInfo)
    for name, entry in CAPABILITIES.items():
        yield replace(_word("capability", name, entry), title=f"Capability {name}")
    for name, entry in CONTENT_TYPES.items():
        yield _word("content type", name, entry)
    yield from _hresult_topics()
    tables: Iterable[Table] = (
        *oids.tables(algorithms.NAMES, algorithms.CONTENT_TYPES, EXTENDED_KEY_USAGES),
        *windows.TABLES,
        *network.TABLES,
        *devices.TABLES,
        *program.tables(SERVERS, FRONTS, CLIENTS),
    )
    for table in tables:
        for row in table.rows:
            yield _code(table, row)


def _word(kind: str, name: str, entry: Entry, *aliases: str) -> Topic:
    return Topic(
        kind=kind,
        name=name,
        title=name,
        sections=(("Meaning", (entry.meaning,)),),
        references=(entry.source,),
        aliases=aliases,
    )


def _other_words(name: str) -> tuple[str, ...]:
    return tuple(word for word, meant in OTHER_WORDS.items() if meant == name)


def _oids_of_fields() -> dict[str, tuple[str, ...]]:
    """The OIDs of each attribute and extension, by the name that ``show`` prints."""
    found: dict[str, tuple[str, ...]] = {}
    for oid, name in (*codes.ATTRIBUTE_NAMES.items(), *REQUEST_ATTRIBUTES.items(), *EXTENSIONS.items(), *_OTHER_OIDS.items()):  # fmt: skip
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), oid)))
    return found


def _message_type(number: MessageType, entry: Entry) -> Topic:
    aliases = (f"messagetype {number.value}", *(("getcertinitial",) if number is MessageType.CertPoll else ()))
    topic = _word("message type", number.name, entry, *aliases)
    title = f"messageType {number.value}, {number.name}"
    return replace(topic, title=title, references=(*topic.references, "IANA, SCEP message types"))


def _rule_topic(rule: Rule) -> Topic:
    page = rule.page
    needs = {
        "ra": "the private key of the RA or CA (--key)",
        "client": "the private key of the client (--key), unless the server sends the certificate unencrypted",
        "tls": "TLS secrets (--keylog)",
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
    return Topic(kind="rule", name=rule.id, title=page.title, sections=tuple(sections), references=rule.references)


def _fail_topic(info: FailInfo) -> Topic:
    rule = next(each for each in RULES if each.id == f"certrep-{info.name.lower()}")
    entry = FAIL_INFO_ENTRIES[info]
    sections = (("Meaning", (entry.meaning,)), ("Why it happens", rule.page.why), ("What to do", rule.page.neutral), _see((rule.id,)))  # fmt: skip
    title = f"failInfo {info.value}, {info.name}"
    return Topic(
        kind="failInfo",
        name=info.name,
        title=title,
        sections=sections,
        references=(entry.source,),
        aliases=(f"failinfo {info.value}",),
    )


def _hresult_topics() -> Iterator[Topic]:
    for number, (name, usual) in HRESULTS.items():
        action = HRESULT_ACTIONS.get(number)
        sections = [("Meaning", (_sentence(usual),))]
        if action is not None:
            sections.append(("What to do", (action,)))
        decimals = _decimals(number)
        where = f"In the signed attribute ENROLL_SCEP_ERROR ({codes.HRESULT}) of a response of NDES, as {decimals[0]}."
        sections.append(("Where it appears", (f"{where} Windows clients and event 31 of NDES have the same number.",)))
        title = f"0x{number:08X} {name}"
        yield Topic(
            kind="HRESULT",
            name=f"0x{number:08X}",
            title=title,
            sections=tuple(sections),
            references=("winerror.h",),
            aliases=(name, *decimals),
        )
    for names, reason, meaning, rules in network.TABLES[0].rows:
        status = int(names.split(" | ")[1])
        if status >= 400:  # HTTP_E_STATUS_… of winerror.h
            number = 0x80190000 | status
            row = (f"0x{number:08X}", f"HTTP status {status}: {reason}", meaning, rules)
            yield _code(Table("HRESULT", windows.TABLES[0].where, "winerror.h, HTTP_E_STATUS", ()), row)


def _code(table: Table, row: tuple[str, str, str, str]) -> Topic:
    names, title, meaning, rules = row
    name, *aliases = names.split(" | ")
    if re.fullmatch("0x8[0-9A-F]{7}", name):
        aliases.extend(_decimals(int(name, 16)))
    sections: list[tuple[str, tuple[str, ...]]] = [("Meaning", (_sentence(meaning),))] if meaning else []
    sections.append(("Where it appears", (table.where,)))
    if rules:
        sections.append(_see(tuple(rules.split())))
    whole = title if name in title else f"{name}: {title}"
    return Topic(
        kind=table.kind,
        name=name,
        title=whole,
        sections=tuple(sections),
        references=tuple(table.source.split("; ")),
        aliases=tuple(aliases),
    )


def _decimals(number: int) -> tuple[str, str]:
    """An HRESULT as logs write it in decimals: signed, and unsigned (the win32 column of IIS)."""
    return str(number - (1 << 32)), str(number)


def _see(rules: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    return "Rules with causes and fixes", tuple(f"`scep-analyzer explain {each}`" for each in rules)


def _sentence(text: str) -> str:
    whole = text[0].upper() + text[1:]
    return whole if whole.endswith((".", "”")) else whole + "."


def kind_of(words: str) -> tuple[str, ...]:
    """The kinds that these words name, in the singular or plural; ``glossary`` names two. Empty where they name none."""
    wanted = _plain(words)
    if wanted == "glossary":
        return GLOSSARY
    plurals = {"status": "statuses", "capability": "capabilities", "anomaly": "anomalies"}
    return tuple(
        kind
        for kind in KINDS
        if wanted in (_plain(kind), _plain(f"{kind}s"), *map(_plain, (plurals[kind],) if kind in plurals else ()))
        or (kind == "HTTP status" and wanted == "httpstatuses")
    )


def of_kind(kind: str) -> tuple[Topic, ...]:
    """The topics of one kind."""
    return tuple(each for each in topics() if each.kind == kind)


def find(words: str) -> list[Topic]:
    """The topics with this name or number; several where a name means several things (GetNextCACert)."""
    return list(_index().get(_plain(words), ()))


@cache
def _index() -> dict[str, tuple[Topic, ...]]:
    """The topics by each of their names, in the form in which names are compared."""
    found: dict[str, dict[Topic, None]] = {}
    for topic in topics():
        for name in (topic.name, *topic.aliases):
            found.setdefault(_plain(name), {})[topic] = None
    return {name: tuple(some) for name, some in found.items()}


def near(words: str) -> list[str]:
    """Names that the user may have meant, the nearest first."""
    wanted = _plain(words)
    names = {plain: found[0].name for plain, found in _index().items()}
    names |= {_plain(kind): kind for kind in (*KINDS, "glossary")}
    inside = [name for plain, name in names.items() if len(wanted) > 2 and wanted in plain]
    close = [names[plain] for plain in difflib.get_close_matches(wanted, names, n=5, cutoff=0.6)]
    return list(dict.fromkeys((*close, *inside)))[:5]


def _plain(words: str) -> str:
    """How names are compared: lower case, without spaces, hyphens, underscores and ``#``; a bare number of 8 hexadecimal digits is an HRESULT.

    The sign of a negative number is kept.
    """
    lower = words.strip().lower()
    plain = ("-" if re.match(r"-\d", lower) else "") + re.sub(r"[\s_#-]+", "", lower)
    return f"0x{plain}" if re.fullmatch("8[0-9a-f]{7}", plain) else plain
