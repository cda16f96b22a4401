"""GetCACaps: what the server offers, and whether the client keeps to it (RFC 8894, Section 3.5)."""

import itertools

from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.scep import CaCapabilities, FailInfo, MessageType, Outcome, PkiMessage
from scep_analyzer.rules._rule import ERROR, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View
from scep_analyzer.rules._words import shown
from scep_analyzer.rules.http_status import other_operations, status_fact

_KNOWN = frozenset(
    [
        "aes",
        "des3",
        "getnextcacert",
        "postpkioperation",
        "renewal",
        "scepstandard",
        "sha-1",
        "sha-224",
        "sha-256",
        "sha-384",
        "sha-512",
        "update",
    ]
)
_STRONG_HASHES = frozenset({"sha-256", "sha-384", "sha-512", "scepstandard"})
_CIPHERS = frozenset({"aes", "des3", "scepstandard"})
_POST = frozenset({"postpkioperation", "scepstandard"})
_HASH_WORDS = {
    "md5": "md5",
    "sha1": "sha-1",
    "sha224": "sha-224",
    "sha256": "sha-256",
    "sha384": "sha-384",
    "sha512": "sha-512",
}


def _words(view: View) -> frozenset[str] | None:
    """The capabilities of this very answer, in lower case; None where it is no answer to GetCACaps, or empty."""
    content = view.exchange.response
    if view.operation != "GetCACaps" or not isinstance(content, CaCapabilities) or not content.keywords:
        return None
    return frozenset(each.lower() for each in content.keywords)


def _listed(view: View) -> Fact:
    content = view.exchange.response
    words = content.keywords if isinstance(content, CaCapabilities) else ()
    return view.a("GetCACaps", ", ".join(words) or "nothing")


@rule.request(INFO, "RFC 8894, Section 3.5.1")
def caps_not_asked(view: View, message: PkiMessage) -> Found:
    """The client never asked what the server can do.

    Seen: A PKIOperation, and no GetCACaps of this client to this server before it in the capture.
    Why: An old client, or one that remembers an earlier answer.
    Do: Expect GET, single DES and MD5 or SHA-1 from a client that does not ask.
    Not: A fault. The client may have asked before the capture began.
    """
    if message.message_type in (MessageType.CertPoll, None) or view.transaction is None:
        return
    if view.memory.asked(view.exchange, "GetCACaps") is not None or any(
        each.operation == "GetCACaps" for each in view.transaction.exchanges
    ):
        return
    facts = view.facts
    if not view.scene.whole or (facts is not None and not facts.connection.opening_seen):
        return
    yield Evidence(
        f"{view.http.client.address} sends {message.message_type_words} without having asked {view.http.server} for its capabilities in this capture.",
        (view.q("operation", "PKIOperation, no GetCACaps before"),),
    )


@rule.exchange(WARNING, "RFC 8894, Section 3.5.1", "seize-the-dave/jscep#49")
def caps_failed(view: View) -> Found:
    """GetCACaps fails, while GetCACert works.

    Seen: An HTTP error to GetCACaps, and 200 to GetCACert of the same server.
    Why: The server does not know GetCACaps (Windows 2008 without its hotfix, an old CA).
    Do: Patch the server, or set the capabilities in the client's profile.
    Not: The end of the enrollment: clients then use the oldest algorithms.
    """
    if view.operation != "GetCACaps" or view.status < 400:
        return
    fine = other_operations(view, lambda each: each == 200)
    if "GetCACert" in fine:
        yield Evidence(
            f"GetCACaps is answered with {view.status}, GetCACert with 200 (frame {fine['GetCACert']}).",
            (status_fact(view), Fact(fine["GetCACert"], "http.response.code", "200 to GetCACert")),
        )


@rule.exchange(WARNING, "RFC 8894, Section 3.5.2")
def caps_html(view: View) -> Found:
    """The answer to GetCACaps is no list of capabilities.

    Seen: HTML, or no word that a capability has.
    Why: A login or block page, the wrong site, or a server that answers every URL.
    Do: Read the page's words; mend the URL.
    Not: A server without capabilities: that answers with an empty body.
    """
    if view.operation != "GetCACaps" or view.status != 200 or view.answer is None or not view.answer.body.length:
        return
    words = _words(view)
    if not view.understood and view.exchange.response_kind is not None:
        yield Evidence(
            f"GetCACaps is answered with {view.exchange.response_kind}{': ' + shown(view.exchange.body_text, 80) if view.exchange.body_text else ''}.",
            (view.a("http.file_data", view.exchange.response_kind),),
        )
    elif words is not None and not words & _KNOWN:
        listed = _listed(view)
        yield Evidence(f"GetCACaps gives no word that a capability has: {shown(listed.value)}.", (listed,))


@rule.exchange(WARNING, "RFC 8894, Section 2.9", "micromdm/scep#23")
def caps_weak_only(view: View) -> Found:
    """The server offers only broken algorithms.

    Seen: Neither SHA-256 or SHA-512, nor AES or DES3, nor SCEPStandard.
    Why: An old server.
    Do: Upgrade it. iOS 10 and later refuse such a server.
    Not: Normal for NDES: it offers SHA-256 and DES3.
    """
    words = _words(view)
    if words is not None and words & _KNOWN and not words & _STRONG_HASHES and not words & _CIPHERS:
        yield Evidence("The server offers neither SHA-2 nor AES nor DES3.", (_listed(view),))


@rule.exchange(WARNING, "RFC 8894, Section 2.9", "RFC 8894, Section 7.9")
def caps_no_sha2(view: View) -> Found:
    """The server offers no SHA-2.

    Seen: SHA-1 among the capabilities, no SHA-256, SHA-512 or SCEPStandard.
    Why: An old server.
    Do: Upgrade it; RFC 8894 asks for SHA-256.
    Not: The end of the enrollment for clients that still do SHA-1.
    """
    words = _words(view)
    if words is not None and "sha-1" in words and not words & _STRONG_HASHES:
        yield Evidence("Of the hashes, the server offers only SHA-1.", (_listed(view),))


@rule.exchange(INFO, "RFC 8894, Section 2.9")
def caps_no_aes(view: View) -> Found:
    """The server offers DES3 and no AES.

    Seen: DES3 among the capabilities, neither AES nor SCEPStandard.
    Why: Normal for NDES.
    Do: Nothing; 3DES to such a server is right.
    Not: A fault of the client that then uses 3DES.
    """
    words = _words(view)
    if words is not None and "des3" in words and not words & {"aes", "scepstandard"}:
        yield Evidence("Of the ciphers, the server offers only DES3.", (_listed(view),))


@rule.exchange(WARNING, "RFC 8894, Section 2.9")
def caps_no_post(view: View) -> Found:
    """The server does not offer POST.

    Seen: Neither POSTPKIOperation nor SCEPStandard among the capabilities.
    Why: An old server, or one that is configured so.
    Do: Enable POST: messages in URLs run into the limits of servers and proxies.
    Not: The end of the enrollment: clients then use GET.
    """
    words = _words(view)
    if words is not None and words & _KNOWN and not words & _POST:
        worked = view.transaction is not None and view.transaction.outcome is Outcome.SUCCESS
        yield Evidence(
            "The server does not offer POSTPKIOperation.", (_listed(view),), severity=Severity.INFO if worked else None
        )


@rule.exchange(INFO, "RFC 8894, Section 3.5.2", "certnanny/sscep#126")
def caps_odd_text(view: View) -> Found:
    """The list of capabilities is written in an odd way.

    Seen: Unknown words, another case, a byte order mark, other separators than line ends, or a type other than text/plain.
    Why: A habit of the server.
    Do: Nothing: clients are to ignore what they do not know. Some do not.
    Not: A fault of the client.
    """
    words = _words(view)
    if words is None or not words & _KNOWN:
        return
    content = view.exchange.response
    keywords = content.keywords if isinstance(content, CaCapabilities) else ()
    strange = [each for each in keywords if each.lower() not in _KNOWN]
    notes = [view.odd(code) for code in ("capability-spelling", "capabilities-one-line")]
    said = [f"unknown words {shown(', '.join(strange))}"] if strange else []
    said += [each.detail for each in notes if each is not None]
    if view.content_type not in ("text/plain", "", "application/x-pki-message"):
        said.append(f"type {view.content_type}")
    if said:
        yield Evidence(f"The capabilities are written oddly: {'; '.join(said)}.", (_listed(view),))


@rule.capture(WARNING, "RFC 8894, Section 7.5")
def caps_differ(view: CaptureView) -> Found:
    """Two answers of one server to GetCACaps differ.

    Seen: The same URL gives different capabilities at different times.
    Why: Unequal servers behind a load balancer, or somebody on the way takes capabilities away.
    Do: Make the servers equal; protect the way with HTTPS if in doubt.
    Not: The client's doing.
    """
    for server, lists in view.memory.all_capabilities():
        for earlier, later in itertools.pairwise(lists):
            if earlier.words != later.words and earlier.path == later.path:
                gone, new = earlier.words - later.words, later.words - earlier.words
                what = "; ".join(
                    f"{word} {', '.join(sorted(each))}" for word, each in (("without", gone), ("with", new)) if each
                )
                yield Evidence(
                    f"{server} gives other capabilities in frame {later.frame} than in frame {earlier.frame}: {what}.",
                    (
                        Fact(earlier.frame, "GetCACaps", ", ".join(earlier.keywords)),
                        Fact(later.frame, "GetCACaps", ", ".join(later.keywords)),
                    ),
                )
                break


def _caps_fact(view: View) -> tuple[Fact, ...]:
    known = view.capabilities
    return (Fact(known.frame, "GetCACaps", ", ".join(known.keywords)),) if known is not None else ()


def _harmless(view: View) -> Severity | None:
    """Old clients use less than is offered; where that worked it is only good to know."""
    return None if view.failed or view.answer is None else Severity.INFO


@rule.request(WARNING, "RFC 8894, Section 4.1", "micromdm/scep#98")
def post_not_used(view: View, _message: PkiMessage) -> Found:
    """The client uses GET though POST is offered.

    Seen: POSTPKIOperation among the capabilities, and PKIOperation by GET.
    Why: An old client; Cisco IOS and certmonger always use GET.
    Do: Prefer POST where the client can: long URLs run into limits.
    Not: A fault where the server answers.
    """
    if view.method == "GET" and view.operation == "PKIOperation" and view.offers_word("postpkioperation"):
        yield Evidence(
            f"The server offers POST, the client sends a URL of {len(view.target):,} characters by GET.",
            (view.q("http.request.method", "GET"), *_caps_fact(view)),
            severity=_harmless(view),
        )


@rule.request(WARNING, "RFC 8894, Section 3.5.2")
def post_used_not_offered(view: View, _message: PkiMessage) -> Found:
    """The client uses POST though it is not offered.

    Seen: PKIOperation by POST, and no POSTPKIOperation among the capabilities.
    Why: The client always uses POST (strongSwan does).
    Do: Let the server offer POST if it takes it.
    Not: A fault where the server answers.
    """
    if view.method == "POST" and view.offers_word("postpkioperation") is False:
        failed = view.answer is not None and not view.understood
        yield Evidence(
            "PKIOperation is sent by POST, which the server did not offer.",
            (view.q("http.request.method", "POST"), *_caps_fact(view)),
            severity=Severity.ERROR if failed else _harmless(view),
        )


@rule.request(WARNING, "RFC 8894, Section 2.3", "RFC 8894, Section 3.5.2")
def renewal_used_not_offered(view: View, message: PkiMessage) -> Found:
    """The client renews though the server does not offer renewal.

    Seen: RenewalReq, or PKCSReq signed with an issued certificate, without Renewal among the capabilities.
    Why: The client always renews so.
    Do: Let the server offer Renewal, or let the client enroll anew with a challenge password.
    Not: A fault where the server answers.
    """
    signer = message.signer
    by_issued = message.message_type == MessageType.PKCSReq and signer is not None and not signer.self_issued
    if (message.message_type == MessageType.RenewalReq or by_issued) and view.offers_word("renewal", "update") is False:
        yield Evidence(
            f"{message.message_type_words} signed with {'an issued certificate' if by_issued else 'the old certificate'}, but Renewal is not offered.",
            (view.q("signedAttrs.messageType", message.message_type), *_caps_fact(view)),
            severity=_harmless(view),
        )


@rule.request(ERROR, "RFC 8894, Section 2.3", "OmniTrustILM/core#1901")
def renewal_offered_but_refused(view: View, message: PkiMessage) -> Found:
    """The server offers renewal and refuses RenewalReq.

    Seen: Renewal among the capabilities, and messageType 17 answered with badRequest.
    Why: The server knows only the renewal of the drafts: PKCSReq (19) signed with the old certificate.
    Do: Mend the server, or let the client send messageType 19.
    Not: A wrong certificate, unless another finding says so.
    """
    reply = view.reply
    if message.message_type == MessageType.RenewalReq and view.refused and view.offers_word("renewal"):
        if reply is not None and reply.fail_info == FailInfo.badRequest:
            yield Evidence(
                "Renewal is offered, and RenewalReq is refused with badRequest.",
                (view.q("signedAttrs.messageType", "17"), view.a("signedAttrs.failInfo", "2"), *_caps_fact(view)),
            )


def _bad_algorithm(view: View) -> bool:
    return view.reply is not None and view.reply.fail_info == FailInfo.badAlg


@rule.request(WARNING, "RFC 8894, Section 3.5.2")
def digest_not_offered(view: View, message: PkiMessage) -> Found:
    """The request uses a hash that the server does not offer.

    Seen: The digestAlgorithm of the request is not among the capabilities.
    Why: The client does not look at the capabilities.
    Do: Set the client's hash to one that is offered, or upgrade the server.
    Not: A fault where the server answers with a certificate.
    """
    word = _HASH_WORDS.get(message.digest_algorithm or "")
    known = view.capabilities
    if word is None or known is None or not known.words & (_STRONG_HASHES | {"sha-1"}) or view.offers_word(word):
        return
    yield Evidence(
        f"The request is signed with {message.digest_algorithm}, which the server does not offer.",
        (view.q("SignerInfo.digestAlgorithm", message.digest_algorithm), *_caps_fact(view)),
        severity=Severity.ERROR if _bad_algorithm(view) else None,
    )


@rule.request(WARNING, "RFC 8894, Section 7.9")
def digest_weaker_than_offered(view: View, message: PkiMessage) -> Found:
    """The request uses a weaker hash than the server offers.

    Seen: MD5 or SHA-1, though SHA-256 is offered.
    Why: An old client, or its default was never changed.
    Do: Upgrade the client or set its hash to SHA-256.
    Not: The cause of a refusal, as a rule.
    """
    if message.digest_algorithm in ("md5", "sha1") and view.offers_word("sha-256", "sha-384", "sha-512"):
        yield Evidence(
            f"The request is signed with {message.digest_algorithm}, though the server offers SHA-2.",
            (view.q("SignerInfo.digestAlgorithm", message.digest_algorithm), *_caps_fact(view)),
            severity=_harmless(view),
        )


def _cipher_word(message: PkiMessage) -> str | None:
    """The capability that stands for the request's cipher, None without an envelope."""
    cipher = message.envelope.content_encryption_algorithm if message.envelope is not None else None
    if cipher is None:
        return None
    return "aes" if cipher.startswith("aes") else "des3" if cipher == "des-ede3-cbc" else cipher


@rule.request(WARNING, "RFC 8894, Section 3.5.2", "scepman/scepclient#21")
def cipher_not_offered(view: View, message: PkiMessage) -> Found:
    """The request uses a cipher that the server does not offer.

    Seen: AES where only DES3 is offered, or the reverse.
    Why: The client does not look at the capabilities.
    Do: Set the client's cipher to one that is offered, or upgrade the server.
    Not: A fault where the server answers with a certificate: NDES takes AES though it does not offer it.
    """
    word, known = _cipher_word(message), view.capabilities
    if word not in ("aes", "des3") or known is None or not known.words & _CIPHERS or view.offers_word(word):
        return
    cipher = message.envelope.content_encryption_algorithm if message.envelope is not None else ""
    if word == "des3" and known.words & {"aes", "scepstandard"}:
        return  # weaker than offered: the next rule
    yield Evidence(
        f"The request is encrypted with {cipher}, the server offers {', '.join(sorted(known.words & _CIPHERS))}.",
        (view.q("EnvelopedData.contentEncryptionAlgorithm", cipher), *_caps_fact(view)),
        severity=Severity.ERROR if view.failed else None,
    )


@rule.request(WARNING, "RFC 8894, Section 2.9")
def cipher_weaker_than_offered(view: View, message: PkiMessage) -> Found:
    """The request uses a weaker cipher than the server offers.

    Seen: DES or 3DES, though AES is offered.
    Why: An old client, or its default was never changed.
    Do: Upgrade the client or set its cipher to AES.
    Not: The cause of a refusal, as a rule.
    """
    cipher = message.envelope.content_encryption_algorithm if message.envelope is not None else None
    if cipher in ("des-cbc", "des-ede3-cbc") and view.offers_word("aes"):
        yield Evidence(
            f"The request is encrypted with {cipher}, though the server offers AES.",
            (view.q("EnvelopedData.contentEncryptionAlgorithm", cipher), *_caps_fact(view)),
            severity=_harmless(view),
        )
