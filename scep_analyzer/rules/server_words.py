"""What servers say in words, and what it means: a table of text fragments.

The words may be in the body of any HTTP response, in failInfoText or in the reason phrase of the status line. A fragment that is known
says which finding can be the cause, and so which cannot: a server that complains of the challenge password has read the request.
Sources: the products' source text, manuals and issues. Fragments are matched without regard to case.
"""

import re
from functools import cache, lru_cache
from typing import NamedTuple

from scep_analyzer.model.scep import ScepExchange
from scep_analyzer.model.told_secrets import WITHHELD

Names = tuple[str, ...]

_DECODING: Names = (
    "get-truncated", "get-plus-became-space", "get-base64url", "get-padding-stripped", "get-double-encoded", "get-not-base64",
    "get-reserved-unescaped", "get-line-breaks", "post-body-base64", "post-form-encoded",
)  # fmt: skip
_PARSING: Names = (
    "post-empty-body", "body-length-mismatch", "post-form-encoded", "post-body-base64", "get-truncated", "get-plus-became-space", "not-cms", "ber-indefinite-length",
    "envelope-structure-bad", "inner-not-pkcs10", "trailing-bytes",
)  # fmt: skip
_UNREADABLE: Names = tuple(
    dict.fromkeys(
        (*(each for each in _DECODING if each not in ("get-reserved-unescaped", "get-line-breaks")), *_PARSING)
    )
)
"""A server that cannot read the structure does not say whether the base64 or what is in it was wrong."""
_DECRYPTING: Names = (
    "cacert-expired", "req-recipient-stale", "req-recipient-is-ca-not-ra", "req-recipient-is-signing-ra", "mixed-servers", "req-wrong-recipient",
    "encrypted-key-size-odd", "inner-decrypt-fails", "req-oaep", "req-recipient-not-ktri", "server-lacks-cipher", "req-cipher-obsolete",
    "cipher-not-offered", "req-recipient-by-key-id", "envelope-structure-bad", "req-many-recipients",
)  # fmt: skip
_ALGORITHMS: Names = (
    "req-oaep", "cipher-not-offered", "server-lacks-cipher", "digest-not-offered", "req-cipher-obsolete", "req-cipher-des", "req-digest-md5",
    "req-digest-sha1", "req-recipient-not-ktri",
)  # fmt: skip
_SIGNING: Names = (
    "req-no-signer-cert",
    "req-digest-mismatch",
    "req-signature-invalid",
    "signer-foreign-ca",
    "signer-expired-for-renewal",
)
_CHALLENGE: Names = (
    "client-gave-up", "csr-challenge-missing", "csr-challenge-stale", "csr-challenge-other-server", "csr-challenge-unclean", "csr-challenge-encoding",
    "csr-challenge-unexpected", "csr-challenge-reused-across-devices",
)  # fmt: skip
_NAMES_SUBJECT: Names = (
    "csr-subject-too-long",
    "csr-subject-empty",
    "csr-subject-differs-from-signer",
    "csr-san-missing",
    "csr-san-wrong-form",
)
_RENEWING: Names = (
    "renewal-self-signed", "signer-expired-for-renewal", "signer-foreign-ca", "renewal-subject-changed", "renewal-used-not-offered",
    "renewal-key-reused", "renewal-too-early",
)  # fmt: skip
_CLOCKS: Names = ("clock-skew", "signer-clock-odd")


class Meaning(NamedTuple):
    """What a fragment means: the rules that it makes of it (``finds``), and those that can explain it, the best first."""

    key: str
    says: str
    explains: Names
    finds: str | None = None


class Heard(NamedTuple):
    """Words of a server: ``where`` they were (body, failInfoText, reason phrase), the words to quote, and their meaning if it is known."""

    where: str
    text: str
    meaning: Meaning | None


_ROWS: tuple[tuple[str, Meaning], ...] = (
    # -- the URL names no CA, alias or provisioner ----------------------------------------------------------------------
    (
        r"SCEP alias\b.*does not exist|alias\b[^.]{0,60}\b(does not exist|not found|unknown)|Wrong URL\. No alias found"
        r"|provisioner \S+ not found|provisioner must be of type SCEP|Unknown SCEP profile|Unable to initialize endpoint parameters"
        r"|ProfileId\b.*is not allowed",
        Meaning("alias", "The server has no SCEP alias, provisioner or profile of the name in the URL.", (), "scep-alias-or-provisioner-missing"),
    ),
    (
        r"SCEP support is disabled|SCEP is (disabled|not enabled)|(SCEP|RA) Profile is not enabled|No CA configured for SCEP"
        r"|SCEP Protocol not authorized|CA not enabled for SCEP|CMS server is not ready",
        Meaning("disabled", "SCEP is switched off on the server, or for this CA.", (), "scep-disabled-on-server"),
    ),
    (
        r"web app (is|has been) stopped|Web App - Unavailable|Cannot download ZIP|Site (is )?(stopped|disabled|unavailable) .{0,40}Azure",
        Meaning("azure", "Azure responds: the web app behind this name is stopped or cannot be loaded.", (), "azure-app-stopped"),
    ),
    (r"Invalid Hostname", Meaning("hostname", "Windows (http.sys) has no site for the name in the Host header.", (), "http-400-invalid-hostname")),
    (
        r"\b404\.2\b|ISAPI and CGI Restriction|ISAPI or CGI restriction",
        Meaning("isapi", "IIS is not allowed to run mscep.dll (ISAPI and CGI restrictions, 404.2).", (), "iis-isapi-restricted"),
    ),
    (
        r"\b404\.7\b|file extension (is )?denied|request filtering module is configured to deny the file extension",
        Meaning("extension", "IIS blocks the file extension in the path (request filtering, 404.7).", (), "iis-extension-denied"),
    ),
    (
        r"No CA certificates? (was |were )?found|requested CA\b|no such CA\b|unknown CA\b|CA (identifier|name)\b.{0,30}\b(unknown|not found)",
        Meaning("identifier", "The server does not know the CA that message= names.", ("http-404-ca-identifier",)),
    ),
    # -- the end entity, which EJBCA keeps ------------------------------------------------------------------------------
    (
        r"Attempted to enroll on an end entity|incorrect status|status of the end entity|Got request with status GENERATED",
        Meaning("ee-status", "The end entity's status does not allow another certificate.", (), "ejbca-end-entity-status"),
    ),
    (
        r"User .{0,80}(not found|does not exist)|Registering new EndEntities is only allowed in RA mode|Could not find (seat|user|end entity)"
        r"|end entity .{0,60}(not found|does not exist)",
        Meaning("ee-unknown", "The server knows no end entity of this name.", (), "ejbca-end-entity-unknown"),
    ),
    # -- the message cannot be decoded ----------------------------------------------------------------------------------
    (
        r"illegal base64|invalid base64|base64 (data|decod)|must contain base64|not (valid )?base64",
        Meaning("base64", "The server could not decode the base64 of the message in the URL.", _DECODING),
    ),
    (
        r"invalid data len 0|empty (body|message|request)|body is empty|no (message|content) (in|received)|missing message|missing (the )?pkiMessage",
        Meaning(
            "empty",
            "The server found no content: the body is empty, or the server does not support the BER encoding inside.",
            ("post-empty-body", "query-malformed", "ber-indefinite-length", "post-form-encoded"),
        ),
    ),
    (
        r"unknown object in getInstance: .*(TaggedObject)|key ?identifier .*not supported|subjectKeyIdentifier",
        Meaning("key-id", "The server does not support recipients that are named by key identifier.", ("req-recipient-by-key-id",)),
    ),
    (
        r"tags don't match \(16 vs \{class:1 tag:13",
        Meaning("base64", "The server treated base64 as DER: it did not decode the message.", _DECODING),
    ),
    (
        r"(can(no|')t|could not|unable to|failed to|error) decod",
        Meaning("decode", "The server could not decode the message.", (*_DECODING, *_PARSING)),
    ),
    (
        r"tags don't match|ber2der|asn1: (structure|syntax) error|malformed (pki)?message|Unable to parse request|failed decoding message|DERDecode"
        r"|invalid CMS|ASN1_|unexpected end of (data|file)|malformed PKIMessage",
        Meaning("parse", "The server could not read the structure of the message (ASN.1, CMS).", _UNREADABLE),
    ),
    (
        r"failed parsing SCEP request",
        Meaning("decrypt", "step-ca could not decrypt the request: its decrypter's certificate or key does not match, or the message is damaged.",
                (*_DECRYPTING, *_PARSING)),
    ),
    # -- it cannot be decrypted -----------------------------------------------------------------------------------------
    (
        r"only .{0,60} (is|are) supported|cannot decrypt data|unsupported (encryption )?algorithm|algorithm '?\S*'? is not (allowed|supported)"
        r"|unknown (content )?encryption|not allowed \(|no such algorithm|unsupported cipher|cipher .{0,20}not supported",
        Meaning("algorithm", "The server does not support an algorithm of the request.", _ALGORITHMS),
    ),
    (
        r"(fail(ed)?|unable|could not|cannot|error) (to )?(decrypt|unwrap|open)|Failed to decrypt|decryption (error|fail)|no (enveloped (data )?)?recipient"
        r"|Unable to find RA certificate|pkcs7: cannot find|bad decrypt|rsa: decryption error|Unable to unwrap",
        Meaning("decrypt", "The server could not decrypt the request.", _DECRYPTING),
    ),
    # -- it was read, and is not accepted -------------------------------------------------------------------------------
    (
        r"Signature invalid|signature (verification|check|is) (fail|invalid|wrong)|invalid signature|not signed|verify signature",
        Meaning("signature", "The server does not accept the request's signature or its signer.", _SIGNING),
    ),
    (
        r"(challenge|enrol?lment code|one.?time|otp|password)[^.]{0,60}(expired|has expired|too old|timed? ?out)|(expired|stale) (challenge|password|enrol?lment code)",
        Meaning("challenge-expired", "The challenge password has expired.", _CHALLENGE),
    ),
    (
        r"(requires?|missing|no|without|empty) (a )?(challenge|password)|challenge[^.]{0,30}(missing|required|absent|empty)|SCEP challenge .{0,20}not (provided|found)",
        Meaning("challenge-missing", "The server requires a challenge password, and the request contains none.", _CHALLENGE),
    ),
    (
        r"(challenge|enrol?lment code|password)[^.]{0,60}(used|consumed|redeemed)",
        Meaning("challenge-used", "The challenge password was already used.", _CHALLENGE),
    ),
    (
        r"(fail\w*|unable|could not|cannot|error)[^.]{0,40}challenge|(invalid|wrong|bad|incorrect|unknown) (challenge|enrol?lment code)|challenge password"
        r"|challenge[^.]{0,60}(invalid|wrong|fail|mismatch|not (valid|match|accept)|reject|incorrect)|enrol?lment code|password .{0,60}(cannot|could not|can't) be verified|webhook server did not allow|(wrong|bad|invalid|incorrect) password",
        Meaning("challenge", "The server does not accept the challenge password.", _CHALLENGE),
    ),
    (
        r"certificate template is not supported|template .{0,40}(not supported|not found|unknown)",
        Meaning("template", "The CA does not offer the template that the server requests.", ("csr-keyusage-picks-template",)),
    ),
    (
        r"Cannot renew|not in a renewable state|renewal (is )?not (permitted|allowed|supported)|not signed with previous certificate|too early to renew",
        Meaning("renewal", "The server does not renew this certificate, or not yet.", _RENEWING),
    ),
    (r"signing ?time|clock skew|time (is )?(too far|out of range)", Meaning("time", "The clocks of the client and the server are too far apart.", _CLOCKS)),
    (
        r"subject (name )?(is )?(invalid|mismatch|missing|empty|too long)|DN .{0,60}(already exists|invalid|not allowed)|subject .{0,40}not (allowed|permitted)",
        Meaning("subject", "The server does not accept the subject of the request.", _NAMES_SUBJECT),
    ),
    (r"key (size|length)|key is too (short|weak|small)", Meaning("key", "The server does not accept the length of the key.", ("csr-key-short", "signer-weak-key"))),
    (r"certificate in the request expired", Meaning("signer", "The certificate that signs the request has expired.", ("signer-clock-odd", "signer-expired-for-renewal"))),
    (
        r"Can not handle request",
        Meaning(
            "ejbca-handle",
            "EJBCA cannot handle the request in this alias: its mode (CA or RA), its profiles or the message do not fit. Its server.log has the reason.",
            (*_UNREADABLE, "req-wrong-recipient", "req-recipient-stale", "req-recipient-is-ca-not-ra", "req-oaep", "msgtype-unknown", "renewal-used-not-offered"),
        ),
    ),
    # -- the server's own trouble ---------------------------------------------------------------------------------------
    (
        r"crypto ?token .{0,40}offline|has no private key|\bis offline\b|HSM|Unable to connect to backend|does not have a decrypter|open depot|CA not active",
        Meaning("server", "The CA behind the server is not ready: its key is offline or missing, or a part of it does not respond.", ()),
    ),
    (
        r"internal server error; please see|failed to sign CSR|LimitExceeded|(rejected|denied|refused) by policy|Request was rejected|policy (module|violation)",
        Meaning("policy", "The CA's policy or its signing refused the request; the server's log gives the reason.", ("csr-key-short", *_NAMES_SUBJECT)),
    ),
    (
        r"unexpected message type|not implemented|operation .{0,30}not supported|unknown SCEP operation",
        Meaning("unsupported", "The server does not support this operation or kind of message.", ("operation-unknown", "msgtype-unknown", "renewal-used-not-offered")),
    ),
)  # fmt: skip
"""Fragment → meaning; the first that fits counts, so what names one thing comes before what names a kind."""

_QUOTED = 160


@cache
def _reasons() -> frozenset[str]:
    """Reason phrases that say no more than the status."""
    from http import HTTPStatus

    usual = ("", "ok", "internal server error", "object not found")
    return frozenset((*usual, *(each.phrase.lower() for each in HTTPStatus)))


@cache
def _pattern(row: int) -> re.Pattern[str]:
    """Compiled when it is asked for: all of them take an eighth of the start, and most captures need none."""
    return re.compile(_ROWS[row][0], re.IGNORECASE)


@lru_cache(maxsize=512)
def understood(text: str) -> tuple[Meaning, int] | None:
    """The meaning of a text, and where in it the fragment begins; None where nothing in it is known."""
    for row, (_, meaning) in enumerate(_ROWS):
        match = _pattern(row).search(text)
        if match is not None:
            return meaning, match.start()
    return None


def heard(exchange: ScepExchange) -> Heard | None:
    """What the server says in words about this exchange; words that are understood before those that are not."""
    found = [(where, text, understood(text)) for where, text in spoken(exchange)]
    for where, text, known in found:
        if known is not None:
            return Heard(where, _around(text, known[1]), known[0])
    return Heard(found[0][0], _around(found[0][1], 0), None) if found else None


def spoken(exchange: ScepExchange) -> list[tuple[str, str]]:
    """What the server says in words, understood or not, and where: failInfoText, reason phrase, body."""
    response, reply = exchange.http.response, exchange.reply
    said = []
    if reply is not None and reply.fail_info_text:
        said.append(("failInfoText", reply.fail_info_text))
    if response is not None and response.status >= 201 and response.reason.strip().lower() not in _reasons():
        said.append(("reason phrase", response.reason.strip()))
    if exchange.body_text:
        said.append(("body", exchange.body_text))
    return [each for each in said if each[1] != WITHHELD]


def _around(text: str, start: int) -> str:
    """The text, or the part of a long one in which the fragment stands."""
    if len(text) <= _QUOTED:
        return text
    begin = max(0, min(start - 20, len(text) - _QUOTED))
    if begin:
        begin = text.find(" ", begin) + 1
    return (
        ("…" if begin else "") + text[begin : begin + _QUOTED].rstrip() + ("…" if begin + _QUOTED < len(text) else "")
    )
