"""GetCACaps: what the server offers, and whether the client follows it (RFC 8894, Section 3.5)."""

import itertools

from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.places import called
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
_SPELT = {"aes": "AES", "des3": "3DES (DES3)", "scepstandard": "AES (SCEPStandard)"}
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
    """The capabilities in this response, in lower case; None if it is not a response to GetCACaps, or is empty."""
    content = view.exchange.response
    if view.operation != "GetCACaps" or not isinstance(content, CaCapabilities) or not content.keywords:
        return None
    return frozenset(each.lower() for each in content.keywords)


def _listed(view: View) -> Fact:
    content = view.exchange.response
    words = content.keywords if isinstance(content, CaCapabilities) else ()
    return view.a("GetCACaps", ", ".join(words) or "nothing")


@rule.request(INFO, "RFC 8894, Section 3.5.2")
def caps_not_asked(view: View, message: PkiMessage) -> Found:
    """The client did not ask for the server's capabilities.

    Seen: A PKIOperation, but no GetCACaps from this client to this server before it in the capture.
    Why: The client is old, or it cached an earlier response.
    Matters: A client that does not know the capabilities may use GET and older algorithms, for example 3DES and SHA-1.
    Do: No action is needed where the enrollment works. Otherwise, update the client or set its algorithms by hand.
    Not: A fault: the client may have asked before the capture began.
    """
    if message.message_type in (MessageType.CertPoll, None) or view.transaction is None:
        return
    if view.memory.asked(view.exchange, "GetCACaps") is not None or "GetCACaps" in view.company.operations:
        return
    facts = view.facts
    if not view.scene.whole or (facts is not None and not facts.connection.opening_seen):
        return
    yield Evidence(
        f"{view.http.client.address} sends {message.message_type_words} to {view.http.server} without GetCACaps before it in this capture.",
        (view.q("operation", "PKIOperation, no GetCACaps before"),),
    )


@rule.exchange(WARNING, "RFC 8894, Section 3.5.2", "seize-the-dave/jscep#49", where=("GetCACaps",))
def caps_failed(view: View) -> Found:
    """GetCACaps fails, but GetCACert works.

    Seen: The server returns an HTTP error for GetCACaps and 200 for GetCACert.
    Why: The server does not support GetCACaps, or it requires the CA identifier in the URL.
    Matters: The client treats an error as if the server had no capabilities (RFC 8894, Section 3.5.2): it may use GET and older algorithms.
    Do: Update the server to a version that supports GetCACaps, or set the capabilities in the profile of the client.
    Do (ndes): Update the Windows server: Windows Server 2008 and 2008 R2 need a hotfix for GetCACaps. Until then, set the capabilities in
    the profile of the client.
    Do (ejbca): Set the name of the CA as the CA identifier on the client, or set `scep.defaultca` in ejbca.properties.
    Do (apple): In the MDM, add the Capabilities key (AES, SHA-256, POSTPKIOperation) to the SCEP payload, as far as the server supports
    them.
    Not: The end of the enrollment: the client can continue without the capabilities.
    """
    if view.operation != "GetCACaps" or view.status < 400:
        return
    fine = other_operations(view, lambda each: each == 200)
    if "GetCACert" in fine:
        yield Evidence(
            f"The server returns HTTP {view.status} for GetCACaps, but 200 for GetCACert ({called(fine['GetCACert'])}).",
            (status_fact(view), Fact(fine["GetCACert"], "http.response.code", "200 to GetCACert")),
        )


@rule.exchange(WARNING, "RFC 8894, Section 3.5.2", where=("GetCACaps",))
def caps_html(view: View) -> Found:
    """The response to GetCACaps is not a list of capabilities.

    Seen: The response is a web page, or it contains no known capability keyword.
    Why: The response comes from a sign-in page, a block page or another web site.
    Why: The server sends the same page for every URL.
    Do: On the client, check the SCEP URL: open it with `?operation=GetCACaps` in a browser, from the network of the client.
    Not: A server without capabilities, which sends an empty body.
    """
    if view.operation != "GetCACaps" or view.status != 200 or view.answer is None or not view.answer.body.length:
        return
    words = _words(view)
    if not view.understood and view.exchange.response_kind is not None:
        yield Evidence(
            f"The response to GetCACaps is {view.exchange.response_kind}{': ' + shown(view.exchange.body_text, 80) if view.exchange.body_text else ''}.",
            (view.a("http.file_data", view.exchange.response_kind),),
        )
    elif words is not None and not words & _KNOWN:
        listed = _listed(view)
        yield Evidence(
            f"The response to GetCACaps contains no known capability keyword: {shown(listed.value)}.", (listed,)
        )


@rule.exchange(WARNING, "RFC 8894, Section 2.9", "micromdm/scep#23", where=("GetCACaps",))
def caps_weak_only(view: View) -> Found:
    """The server offers neither SHA-2, AES nor 3DES.

    Seen: The capabilities contain none of SHA-256, SHA-512, AES, DES3 and SCEPStandard.
    Why: The server is old or misconfigured.
    Matters: A client that follows this list uses SHA-1 or MD5 and single DES. RFC 8894 forbids MD5 and single DES, and some clients stop
    here.
    Do: Update the server, or enable SHA-256 and AES (at least DES3) in its SCEP settings.
    Not: No current server behaves like this.
    """
    words = _words(view)
    if words is not None and words & _KNOWN and not words & _STRONG_HASHES and not words & _CIPHERS:
        yield Evidence("The server offers neither SHA-2, AES nor 3DES (DES3).", (_listed(view),))


@rule.exchange(WARNING, "RFC 8894, Section 2.9", "RFC 8894, Section 7.9", where=("GetCACaps",))
def caps_no_sha2(view: View) -> Found:
    """The server offers SHA-1, but no SHA-2.

    Seen: The capabilities contain SHA-1, but not SHA-256, SHA-512 or SCEPStandard.
    Why: The server is old.
    Matters: RFC 8894, Section 2.9 requires SHA-256. As SCEP uses it, SHA-1 is still safe (Section 7.9).
    Do: Update the server to a version that offers SHA-256.
    Not: The end of the enrollment for clients that support SHA-1.
    """
    words = _words(view)
    if words is not None and "sha-1" in words and not words & _STRONG_HASHES:
        yield Evidence("SHA-1 is the only hash algorithm that the server offers.", (_listed(view),))


@rule.exchange(INFO, "RFC 8894, Section 2.9", where=("GetCACaps",))
def caps_no_aes(view: View) -> Found:
    """The server offers 3DES, but no AES.

    Seen: The capabilities contain DES3, but neither AES nor SCEPStandard.
    Why: The software or configuration of the server predates AES in SCEP.
    Do: No action is needed: a client is right to use 3DES with this server.
    Do (dogtag): To offer AES, run `pki-server ca-config-set ca.scep.allowedEncryptionAlgorithms DES3,AES` and restart the CA.
    Not: A fault of a client that uses 3DES.
    """
    words = _words(view)
    if words is not None and "des3" in words and not words & {"aes", "scepstandard"}:
        yield Evidence("3DES (DES3) is the only cipher that the server offers.", (_listed(view),))


@rule.exchange(WARNING, "RFC 8894, Section 2.9", where=("GetCACaps",))
def caps_no_post(view: View) -> Found:
    """The server does not offer POST.

    Seen: The capabilities contain neither POSTPKIOperation nor SCEPStandard.
    Why: The server is old, or POST is disabled on it.
    Matters: Clients then use GET, and long URLs hit the length limits of servers and proxies.
    Do: Where long URLs fail, raise the limits for URLs on the server and on proxies, or use a server version that offers POSTPKIOperation.
    Do (dogtag): Configure the client to use GET: Dogtag does not support POST.
    Not: The end of the enrollment: clients can use GET.
    """
    words = _words(view)
    if words is not None and words & _KNOWN and not words & _POST:
        worked = view.transaction is not None and view.transaction.outcome is Outcome.SUCCESS
        yield Evidence(
            "The server offers neither POSTPKIOperation nor SCEPStandard, so clients have to use GET.",
            (_listed(view),),
            severity=Severity.INFO if worked else None,
        )


@rule.exchange(INFO, "RFC 8894, Section 3.5.2", "certnanny/sscep#126", where=("GetCACaps",))
def caps_odd_text(view: View) -> Found:
    """The list of capabilities is written in an unusual way.

    Seen: Unknown keywords, another case, a byte order mark, other separators than line ends, or a type other than text/plain.
    Why: The server software writes the list this way.
    Matters: Clients must ignore unknown keywords (RFC 8894, Section 3.5.2), but some do not.
    Do: No action is needed, unless the client reports an error about the capabilities.
    Not: The client is not at fault.
    """
    words = _words(view)
    if words is None or not words & _KNOWN:
        return
    content = view.exchange.response
    keywords = content.keywords if isinstance(content, CaCapabilities) else ()
    strange = [each for each in keywords if each.lower() not in _KNOWN]
    notes = [view.odd(code) for code in ("capability-spelling", "capabilities-one-line")]
    said = [f"unknown {'keyword' if len(strange) == 1 else 'keywords'} {shown(', '.join(strange))}"] if strange else []
    said += [each.detail for each in notes if each is not None]
    if view.content_type not in ("text/plain", "", "application/x-pki-message"):
        said.append(f"Content-Type {view.content_type}")
    if said:
        yield Evidence(f"The list of capabilities is written in an unusual way: {'; '.join(said)}.", (_listed(view),))


@rule.capture(WARNING, "RFC 8894, Section 7.5")
def caps_differ(view: CaptureView) -> Found:
    """The server sends different capabilities at different times.

    Seen: The same GetCACaps URL returns different capabilities at different times.
    Why: The servers behind a load balancer are different.
    Why: A device in the path removes capabilities (a downgrade attack, RFC 8894, Section 7.5).
    Do: Configure all servers behind the load balancer alike. If there is only one server, capture next to it and compare: a difference
    shows a device that changes the response.
    Not: The client is not at fault.
    """
    for server, lists in view.memory.all_capabilities():
        for earlier, later in itertools.pairwise(lists):
            if earlier.words != later.words and earlier.path == later.path:
                gone = [each for each in earlier.keywords if each.lower() not in later.words]
                new = [each for each in later.keywords if each.lower() not in earlier.words]
                what = "; ".join(
                    f"{word} {', '.join(each)}" for word, each in (("without", gone), ("with", new)) if each
                )
                yield Evidence(
                    f"{server} sends other capabilities in {called(later.frame)} than in {called(earlier.frame)}: {what}.",
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
    """Old clients use less than the server offers; where that worked, it is only a note."""
    return None if view.failed or view.answer is None else Severity.INFO


@rule.request(WARNING, "RFC 8894, Section 4.1", "micromdm/scep#98")
def post_not_used(view: View, _message: PkiMessage) -> Found:
    """The client uses GET although the server supports POST.

    Seen: The capabilities contain POSTPKIOperation or SCEPStandard, but PKIOperation is sent by GET.
    Why: The client is old or supports only GET, for example certmonger and many versions of Cisco IOS.
    Matters: RFC 8894, Section 4.1 requires POST here. Long URLs hit the length limits of servers and proxies.
    Do: On the client, turn on POST if there is a setting, or update the client. Otherwise, raise the limits for URLs in the path.
    Do (stormshield): On the appliance, set `post=ON` for SCEP (`CERTENROL` option `-m POST`).
    Do (ios-client, cisco-wlc): Raise the limits for URLs on the server and on proxies in the path: most versions of Cisco IOS send
    PKIOperation by GET.
    Not: A fault where the server accepts the request.
    """
    if view.method == "GET" and view.operation == "PKIOperation" and view.offers_word("postpkioperation"):
        yield Evidence(
            f"The client uses GET ({len(view.target):,}-character URL) although the server supports POST.",
            (view.q("http.request.method", "GET"), *_caps_fact(view)),
            severity=_harmless(view),
        )


@rule.request(WARNING, "RFC 8894, Section 3.5.2")
def post_used_not_offered(view: View, _message: PkiMessage) -> Found:
    """The client uses POST although the server does not offer it.

    Seen: PKIOperation is sent by POST, but the capabilities contain neither POSTPKIOperation nor SCEPStandard.
    Why: The client always uses POST, or it cached an earlier list of capabilities.
    Do: On the server, offer POSTPKIOperation in GetCACaps if it supports POST. Otherwise, configure the client to use GET.
    Do (dogtag): Configure the client to use GET: Dogtag does not support POST.
    Not: A fault where the server accepts the request.
    """
    if view.method == "POST" and view.offers_word("postpkioperation") is False:
        failed = view.answer is not None and not view.understood
        yield Evidence(
            "The client sends PKIOperation by POST, which the server does not offer.",
            (view.q("http.request.method", "POST"), *_caps_fact(view)),
            severity=Severity.ERROR if failed else _harmless(view),
        )


@rule.request(WARNING, "RFC 8894, Section 2.3", "RFC 8894, Section 3.5.2")
def renewal_used_not_offered(view: View, message: PkiMessage) -> Found:
    """The client sends a renewal although the server does not offer Renewal.

    Seen: RenewalReq, or PKCSReq signed with an issued certificate, but no Renewal in the capabilities.
    Why: The client always renews this way.
    Do: On the client, enroll again with a challenge password, or turn on Renewal on the server.
    Do (strongswan): On the client, run `pki --scep` without `--cert` and `--key`, but with `--password CHALLENGE`.
    Do (dogtag): On the client, enroll again with a challenge: Dogtag does not support renewal.
    Not: A fault where the server accepts the request.
    """
    signer = message.signer
    by_issued = message.message_type == MessageType.PKCSReq and signer is not None and not signer.self_issued
    if (message.message_type == MessageType.RenewalReq or by_issued) and view.offers_word("renewal", "update") is False:
        yield Evidence(
            f"The client sends {message.message_type_words}, signed with {'an issued' if by_issued else 'its old'} certificate, but the server does not "
            "offer Renewal.",
            (view.q("signedAttrs.messageType", message.message_type), *_caps_fact(view)),
            severity=_harmless(view),
        )


@rule.request(ERROR, "RFC 8894, Section 2.3", "OmniTrustILM/core#1901")
def renewal_offered_but_refused(view: View, message: PkiMessage) -> Found:
    """The server offers Renewal, but refuses RenewalReq.

    Seen: The capabilities contain Renewal, but the server refuses messageType 17 with badRequest.
    Why: The server only supports the older renewal style: PKCSReq (19), signed with the existing certificate.
    Why: Renewal is not allowed by the policy of the server, or it is too early for it.
    Do: On the client, renew with PKCSReq (19) signed with the existing certificate, or update the server.
    Do (strongswan): In strongswan.conf on the client, set `pki.scep.renewal_via_pkcs_req = yes`.
    Do (ejbca): In the SCEP alias, turn on Allow Client Certificate Renewal (EJBCA Enterprise only), and check the renewal window in the end
    entity profile.
    Do (openxpki): On the client, renew with PKCSReq (19). On the server, check `renewal_period` in the configuration of the endpoint
    (`000060` is 60 days).
    Do (scepman): In SCEPman, set `AppConfig:<Endpoint>:AllowRenewals` to true and set
    `AppConfig:<Endpoint>:ReenrollmentAllowedCertificateTypes`.
    Do (micromdm): Renew later (by default, 14 days before the end or less), or start scepserver with a higher `-allowrenew`.
    Not: Proof that the certificate of the client is wrong.
    """
    reply = view.reply
    if message.message_type == MessageType.RenewalReq and view.refused and view.offers_word("renewal"):
        if reply is not None and reply.fail_info == FailInfo.badRequest:
            yield Evidence(
                "The server offers Renewal, but refuses RenewalReq (17) with badRequest.",
                (view.q("signedAttrs.messageType", "17"), view.a("signedAttrs.failInfo", "2"), *_caps_fact(view)),
            )


def _hashes(words: frozenset[str]) -> str:
    """The hash algorithms that a list of capabilities stands for."""
    offered = {*words} | ({"sha-256"} if "scepstandard" in words else set())
    return ", ".join(each.upper() for each in _HASH_WORDS.values() if each in offered)


def _bad_algorithm(view: View) -> bool:
    return view.reply is not None and view.reply.fail_info == FailInfo.badAlg


@rule.request(WARNING, "RFC 8894, Section 3.5.2")
def digest_not_offered(view: View, message: PkiMessage) -> Found:
    """The request uses a hash algorithm that the server does not offer.

    Seen: The digestAlgorithm of the request is not among the capabilities.
    Why: The client ignores the server's capabilities.
    Do: On the client, set the hash algorithm to one that the server offers, or update the server.
    Do (ios-client, cisco-wlc): In the trustpoint, set `hash` to an algorithm that the server offers, then run `crypto pki enroll
    TRUSTPOINT`.
    Do (sscep): On the client, set the `-S` option of `sscep enroll` to an algorithm that the server offers.
    Do (strongswan): On the client, set the `--digest` option of `pki --scep` to an algorithm that the server offers.
    Do (dogtag): On the client, use SHA-256. To allow another hash algorithm on the CA, change `ca.scep.allowedHashAlgorithms` and restart
    it; SHA-1 and MD5 are weaker.
    Not: A fault where the server issues the certificate.
    """
    word = _HASH_WORDS.get(message.digest_algorithm or "")
    known = view.capabilities
    if word is None or known is None or not known.words & (_STRONG_HASHES | {"sha-1"}) or view.offers_word(word):
        return
    yield Evidence(
        f"The request is signed with {word.upper()}; the server offers {_hashes(known.words)}.",
        (view.q("SignerInfo.digestAlgorithm", message.digest_algorithm), *_caps_fact(view)),
        severity=Severity.ERROR if _bad_algorithm(view) else None,
    )


@rule.request(WARNING, "RFC 8894, Section 3.5.2")
def digest_weaker_than_offered(view: View, message: PkiMessage) -> Found:
    """The request uses a weaker hash algorithm than the server offers.

    Seen: The request is signed with MD5 or SHA-1, although the server offers SHA-256.
    Why: The client is old, or its default was never changed.
    Matters: RFC 8894, Section 3.5.2 recommends SHA-256 where the server supports it.
    Do: On the client, set the hash algorithm to SHA-256, or update the client.
    Do (ios-client, cisco-wlc): In the trustpoint, set `hash sha256`, then run `crypto pki enroll TRUSTPOINT`.
    Do (sscep): On the client, add `-S sha256` to `sscep enroll`.
    Do (strongswan): On the client, add `--digest sha256` to `pki --scep`.
    Do (windows-mdm): In the SCEP profile of the MDM, set the hash algorithm to SHA-2.
    Not: This is seldom the cause of a refusal.
    """
    if message.digest_algorithm in ("md5", "sha1") and view.offers_word("sha-256", "sha-384", "sha-512"):
        yield Evidence(
            f"The request is signed with {_HASH_WORDS[message.digest_algorithm].upper()}, although the server offers SHA-2.",
            (view.q("SignerInfo.digestAlgorithm", message.digest_algorithm), *_caps_fact(view)),
            severity=_harmless(view),
        )


def _cipher_word(message: PkiMessage) -> str | None:
    """The capability keyword for the cipher of the request; None without an envelope."""
    cipher = message.envelope.content_encryption_algorithm if message.envelope is not None else None
    if cipher is None:
        return None
    return "aes" if cipher.startswith("aes") else "des3" if cipher == "des-ede3-cbc" else cipher


@rule.request(WARNING, "RFC 8894, Section 3.5.2", "micromdm/scep#224")
def cipher_not_offered(view: View, message: PkiMessage) -> Found:
    """The request uses a cipher that the server does not offer.

    Seen: The request is encrypted with AES, but the server offers only DES3, or the reverse.
    Why: The client ignores the server's capabilities.
    Matters: Servers behave differently: a request with AES was accepted by a server that offers only DES3 (micromdm/scep#224), but RFC
    8894, Section 3.5.2 warns of a response that the client cannot decrypt.
    Do: On the client, set the encryption algorithm to one that the server offers, or update the server.
    Do (sscep): On the client, set the `-E` option of `sscep enroll` to a cipher that the server offers (for DES3: `-E 3des`).
    Do (strongswan): On the client, set the `--cipher` option of `pki --scep` to a cipher that the server offers (for DES3: `--cipher
    des3`).
    Do (dogtag): On the CA, run `pki-server ca-config-set ca.scep.allowedEncryptionAlgorithms DES3,AES` and restart it.
    Not: A fault where the server issues the certificate.
    """
    word, known = _cipher_word(message), view.capabilities
    if word not in ("aes", "des3") or known is None or not known.words & _CIPHERS or view.offers_word(word):
        return
    cipher = message.envelope.content_encryption_algorithm if message.envelope is not None else ""
    if word == "des3" and known.words & {"aes", "scepstandard"}:
        return  # weaker than the server offers: see cipher_weaker_than_offered
    yield Evidence(
        f"The request is encrypted with {cipher}; the server offers {' and '.join(sorted(_SPELT[each] for each in known.words & _CIPHERS))}.",
        (view.q("EnvelopedData.contentEncryptionAlgorithm", cipher), *_caps_fact(view)),
        severity=Severity.ERROR if view.failed else None,
    )


@rule.request(WARNING, "RFC 8894, Section 3.5.2")
def cipher_weaker_than_offered(view: View, message: PkiMessage) -> Found:
    """The request uses a weaker cipher than the server offers.

    Seen: The request is encrypted with DES or 3DES, although the server offers AES.
    Why: The client is old, or its default was never changed.
    Matters: RFC 8894, Section 3.5.2 recommends AES where the server supports it.
    Do: On the client, set the encryption algorithm to AES, or update the client.
    Do (sscep): On the client, add `-E aes256` to `sscep enroll`.
    Do (strongswan): On the client, add `--cipher aes` to `pki --scep`.
    Not: This is seldom the cause of a refusal.
    """
    cipher = message.envelope.content_encryption_algorithm if message.envelope is not None else None
    if cipher in ("des-cbc", "des-ede3-cbc") and view.offers_word("aes"):
        yield Evidence(
            f"The request is encrypted with {cipher}, although the server offers AES.",
            (view.q("EnvelopedData.contentEncryptionAlgorithm", cipher), *_caps_fact(view)),
            severity=_harmless(view),
        )
