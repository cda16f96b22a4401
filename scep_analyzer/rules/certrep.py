"""The server's response, CertRep: what it says, and whether it belongs to the request (RFC 8894, Section 3.3.2)."""

from scep_analyzer.glossary import HRESULTS, fail_info_name
from scep_analyzer.model.findings import Evidence, Fact, NotChecked, Severity
from scep_analyzer.model.scep import FailInfo, MessageType, PkiMessage, PkiStatus
from scep_analyzer.rules._rule import ERROR, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import (
    certificate_words,
    count,
    day,
    hexes,
    long,
    recipient_words,
    serial,
    shown,
    usage_words,
)
from scep_analyzer.rules.http_status import meant
from scep_analyzer.scep import codes

_MSCEP = "HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP"
"""Where NDES keeps its settings in the registry."""
HRESULT_ACTIONS = {
    0x80070005: "On the CA, give the NDES service account, and no other, Read and Enroll on the template, and Request Certificates on the CA (certsrv.msc > Properties > Security).",
    0x80070057: "Get a new challenge password from /certsrv/mscep_admin/ and retry; configure the client to send it as a PrintableString.",
    0x800706BA: "On the CA, start the service CertSvc; in the firewall between NDES and the CA, open TCP 135 and the dynamic RPC ports (49152-65535).",
    0x80090005: "On the client, fetch the CA certificates again: the request is encrypted for a certificate whose key NDES does not have.",
    0x80092013: "On the CA, run `certutil -crl`; on the NDES server, check with `certutil -verify -urlfetch ra.cer` that the CRL can be fetched.",
    0x800B0101: "On the NDES server, find the expired RA certificate with `certutil -store My` and re-enroll it, or renew the client's own certificate if that one expired.",
    0x80094001: "On the client, correct or shorten the subject: CN is limited to 64 characters and C to 2.",
    0x80094012: "On the CA, give the NDES service account, and no other, Read and Enroll on the template: properties of the template > Security.",
    0x80094014: "Ask the CA manager why the request was denied: certsrv.msc > Failed Requests names it.",
    0x80094016: "On the client, use an RSA key of 2048 bits or more and SHA-256.",
    0x80094800: "On the CA, publish the template: certsrv.msc > Certificate Templates > New > Certificate Template to Issue.",
    0x80094801: f"On the NDES server, set SignatureTemplate, EncryptionTemplate and GeneralPurposeTemplate in {_MSCEP} to the template's name, then run `iisreset`.",
    0x80094803: "On the client, add a subjectAltName to the request, or change the template's requirement on the CA.",
    0x80094806: "On the client, renew with the subject of the old certificate, or enroll again with a new challenge password.",
    0x80094811: "On the client, generate a key that is at least as long as the template's minimum key size.",
}
"""What to do about an HRESULT, as one instruction; first the place."""
_THEN = {
    0x80094800: f"On the NDES server, run `reg query {_MSCEP}`: each template value must be the template's name, not its display name. After a change run `iisreset`.",
}
"""A second step, where one is needed."""
_TITLES = {
    0x80070005: "The NDES service account lacks a right on the template or the CA",
    0x80070057: "NDES does not accept a parameter: probably the challenge password",
    0x800706BA: "NDES cannot reach the CA by RPC",
    0x80090005: "NDES cannot decrypt the request",
    0x80092013: "NDES or the CA cannot fetch a CRL",
    0x800B0101: "An RA or signer certificate has expired",
    0x80094001: "The CA does not accept the subject: invalid or too long",
    0x80094012: "The NDES service account may not enroll on the template",
    0x80094014: "A CA manager denied the request",
    0x80094016: "The request's key or signature is too weak",
    0x80094800: "Template not published on the CA",
    0x80094801: "The request to the CA names no template",
    0x80094803: "The template requires a subjectAltName",
    0x80094806: "The renewal's subject differs from the old certificate",
    0x80094811: "The key is shorter than the template's minimum",
}
"""The same as titles; the number is added."""


def _words(hresult: int) -> str:
    name, usual = HRESULTS.get(hresult, ("", "a code that is not in our table"))
    return f"0x{hresult:08X} {name}".strip() + f": {usual}"


@rule.reply(ERROR, "RFC 8894, Section 3.3.2.2")
def certrep_failure(view: View, reply: PkiMessage) -> Found:
    """The server refused the request.

    Seen: The CertRep has pkiStatus 2 (FAILURE).
    Why: The server, or the CA behind it, does not accept the request. The reason is in failInfo; some servers add failInfoText or an error code of
        their own.
    Else: On the server, search the log for the transactionID or for the time of the response: it gives the reason in more detail.
    Do (ndes): On the NDES server, open Event Viewer > Windows Logs > Application, source NetworkDeviceEnrollmentService, at the time of the response.
    Do (ejbca): On the EJBCA server, read WildFly's standalone/log/server.log at the time of the response.
    Do (step-ca, micromdm): On the server, read the log of the SCEP service at the time of the response.
    Do (openxpki): In the OpenXPKI WebUI, search the workflow by the transactionID and read its error_code.
    Do (scepman): In Azure, query Log Analytics: `SCEPman_CL | where Level == "Warn" or Level == "Error" or Level == "Fatal"`.
    Do (dogtag): On the server, read the CA's log in /var/log/pki/INSTANCE/ca/ at the time of the response.
    Not: It is not a network fault: the response is complete and signed.
    """
    if reply.pki_status != PkiStatus.FAILURE:
        return
    said = []
    name = fail_info_name(reply.fail_info) if reply.fail_info is not None else None
    short = f"0x{reply.hresult:08X}" if reply.hresult else name
    if reply.hresult:
        said.append(_words(reply.hresult))
    if reply.fail_info_text:
        said.append(f"failInfoText {shown(reply.fail_info_text, 120)}")
    if reply.fail_info is not None:
        said.append(f"failInfo {reply.fail_info} {name or ''}".strip())
    yield Evidence(
        f"The server refuses {view.request.message_type_words if view.request is not None else 'the request'}"
        + (f": {'; '.join(said)}." if said else " and gives no reason."),
        (view.a("CertRep.signedAttrs.pkiStatus", "2"), *_fail_fact(view, reply)),
        title=f"The server refused the request ({short})" if short else None,
    )


def _fail_fact(view: View, reply: PkiMessage) -> tuple[Fact, ...]:
    return (view.a("CertRep.signedAttrs.failInfo", str(reply.fail_info)),) if reply.fail_info is not None else ()


@rule.reply(ERROR, "wincrypt.h, szOID_ENROLL_SCEP_ERROR", "certnanny/sscep#59")
def certrep_ndes_hresult(view: View, reply: PkiMessage) -> Found:
    """NDES reports an error code (HRESULT).

    Seen: The signed attribute 1.3.6.1.4.1.311.21.33 of the response contains an HRESULT. It can be read without a key.
    Matters: The code identifies the reason: the CA refused the request, or NDES could not read it or submit it to the CA.
    Do: On the NDES server, open Event Viewer > Windows Logs > Application: event 31 at the time of the response contains the CA's reason.
    Do: On the CA, open certsrv.msc > Failed Requests and read the disposition message of the request.
    Not: It is not a guess from failInfo: the server itself reports this code.
    """
    if reply.hresult:
        steps = (HRESULT_ACTIONS.get(reply.hresult), _THEN.get(reply.hresult))
        title = _TITLES.get(reply.hresult, "NDES reports an error code")
        causes = (
            (f"{HRESULTS[reply.hresult][1][0].upper()}{HRESULTS[reply.hresult][1][1:]}.",)
            if reply.hresult in HRESULTS
            else ("The CA refused the request, or NDES could not read it or submit it to the CA.",)
        )
        decimal = reply.hresult - (1 << 32) if reply.hresult >> 31 else reply.hresult
        yield Evidence(
            f"NDES reports {_words(reply.hresult)}.",
            (view.a("CertRep.signedAttrs.ENROLL_SCEP_ERROR", f"{decimal} (0x{reply.hresult:08x})"),),
            causes=causes,
            actions=tuple(each for each in steps if each is not None),
            code=reply.hresult,
            title=f"{title} (0x{reply.hresult:08X})",
        )


def _fails(reply: PkiMessage, which: FailInfo) -> bool:
    return reply.pki_status == PkiStatus.FAILURE and reply.fail_info == which


def _text(reply: PkiMessage) -> str:
    return f" and says {shown(reply.fail_info_text, 120)}" if reply.fail_info_text else ""


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4")
def certrep_badalg(view: View, reply: PkiMessage) -> Found:
    """The server does not support an algorithm of the request (badAlg).

    Seen: The CertRep has failInfo 0 (badAlg).
    Why: The server does not support the digest, the cipher, the key transport or the type of key that the request uses.
    Do: On the client, choose a cipher and a digest that the server lists in its response to GetCACaps, AES and SHA-256 first.
    Do (dogtag): On the server, run `pki-server ca-config-set ca.scep.allowedEncryptionAlgorithms DES3,AES` and restart it. By default it allows DES3,
        SHA256 and SHA512 only.
    Do (ios-client): On the device, set `hash sha256` under the trustpoint.
    Do (sscep): On the client, call sscep with `-E aes256 -S sha256`, or with what the server lists.
    Do (strongswan): On the client, call pki with `--cipher aes --digest sha256`, or with what the server lists.
    Not: It is not a wrong challenge password.
    """
    if _fails(reply, FailInfo.badAlg):
        message = view.request
        envelope = message.envelope if message is not None else None
        used = [message.digest_algorithm or "?"] if message is not None else []
        if envelope is not None:
            used += [envelope.content_encryption_algorithm or "?", envelope.key_encryption_algorithm or "?"]
        yield Evidence(
            f"The server refuses the request with badAlg{_text(reply)}. The request uses {', '.join(used) or f'algorithms that the {view.scene.source} does not show'}.",
            (*_fail_fact(view, reply), view.q("algorithms", ", ".join(used))),
            causes=meant(view),
        )


_NEVER_FOR_PASSWORDS = ("openxpki", "step-ca", "micromdm", "ejbca")
"""Servers that refuse a wrong challenge password with another code than badMessageCheck."""
_FOR_PASSWORDS = ("ndes", "ucm", "otilm")
"""Servers that refuse a wrong challenge password with badMessageCheck."""


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4", "certnanny/sscep#39", "certnanny/sscep#156")
def certrep_badmessagecheck(view: View, reply: PkiMessage) -> Found:
    """Refused: bad signature or wrong challenge password (badMessageCheck).

    Seen: The CertRep has failInfo 1 (badMessageCheck).
    Why: The server does not accept the signature of the request or the certificate that signed it.
    Why: Some servers also send this code if they cannot decrypt the request.
    Matters: One code has several meanings: RFC 8894 defines it for an invalid signature only, and some servers use it for challenge passwords too.
    Else: On the server, read the log at the time of the response: it says whether the signature, the decryption or the challenge password failed.
    Do (ndes): Get a new challenge password from /certsrv/mscep_admin/ and retry. Event 29 in the server's Application log (28 for a renewal) confirms
        that the password was refused.
    Do (ndes): On the NDES server, check PasswordValidity (minutes), PasswordMax, UseSinglePassword and EnforcePassword in
        HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP. Run `iisreset` after a change.
    Do (ucm): In the server's log /var/log/ucm/, read which it was: an expired password (after 24 hours), a missing password, or an envelope that
        cannot be decrypted.
    Do (otilm): Compare the challenge password on the client with that of the SCEP profile.
    Do (openxpki): Check the signature of the request and its signer's certificate (error 40001): OpenXPKI never sends this code for a challenge
        password.
    Not: It does not prove that the message was damaged.
    """
    if _fails(reply, FailInfo.badMessageCheck):
        message = view.request
        verdict = message.signature.valid if message is not None else None
        checked = {
            True: "the request's signature and digest are valid",
            False: "the request's signature is invalid",
            None: "the request's signature cannot be checked in this capture",
        }
        title = "Refused: the request's signature is invalid (badMessageCheck)" if verdict is False else None
        causes: tuple[str, ...] = ()
        steps: tuple[str, ...] = ()
        intact = bool(verdict) and message is not None and bool(message.digest.valid)
        if intact and view.is_server(*_FOR_PASSWORDS) and not reply.fail_info_text:
            title = "Refused: the challenge password is probably wrong or used (badMessageCheck)"
            causes = (
                "The challenge password is wrong, used or expired: the request's signature is valid, so the message is intact.",
            )
        elif (intact or verdict is None) and not view.is_server(*_NEVER_FOR_PASSWORDS) and not reply.fail_info_text:
            causes = (
                f"The challenge password may be wrong, used or expired: {'the signature is valid, and ' if intact else ''}some servers send this code for passwords.",
            )
            if not view.is_server(*_FOR_PASSWORDS):  # their pages say where to get one
                steps = ("Get a new challenge password for the client and retry.",)
        yield Evidence(
            f"The server refuses the request with badMessageCheck{_text(reply)}; {checked[verdict]}.",
            (*_fail_fact(view, reply), view.q("SignerInfo.signature", checked[verdict])),
            causes=(*meant(view), *causes),
            actions=steps,
            title=title,
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4", "Gradenegger, event 31")
def certrep_badrequest(view: View, reply: PkiMessage) -> Found:
    """The server refused the request (badRequest).

    Seen: The CertRep has failInfo 2 (badRequest).
    Why: The CA refused the request because of its policy, the template, the key size, missing rights or the status of the end entity.
    Why: Many servers send this code for a wrong or missing challenge password.
    Why: The server does not support this messageType or this kind of renewal.
    Else: On the server, read the log at the time of the response: it gives the reason.
    Do (ndes): On the NDES server, read event 31 in the Application log. On the CA, open certsrv.msc > Failed Requests and read the disposition
        message.
    Do (step-ca): On the step-ca server, read the log. If it names the challenge, run `step ca provisioner update NAME --challenge VALUE`; else it
        names the policy, key length or template.
    Do (micromdm): On the server, read the log: "invalid challenge" (set SCEP_CHALLENGE_PASSWORD), "DN … already exists" (set SCEP_CERT_RENEW=0) or
        "CSR verify failed" (your verifier script refused).
    Do (ejbca): Set the end entity to NEW: `bin/ejbca.sh ra setendentitystatus --username USER -S 10`. Its names must equal those of the request;
        server.log has the details.
    Do (openxpki): In the WebUI, search the workflow by the transactionID: its error_code gives the reason.
    Do (scepman): In Azure, query the table SCEPman_CL in Log Analytics. On /static the challenge password is
        `AppConfig:StaticValidation:RequestPassword`.
    Do (fortiauthenticator): On FortiAuthenticator, open Certificate Management > SCEP > Enrollment Requests: the subject or wildcard and the password
        must match the request.
    Do (ios-client): On the device, set `password 0 CHALLENGE` under the trustpoint: IOS sends a challenge password even if none is configured.
    Not: It is not a damaged message: the server read it.
    """
    if _fails(reply, FailInfo.badRequest):
        what = view.request.message_type_words if view.request is not None else "the request"
        first = (
            ()
            if view.is_ndes or reply.fail_info_text or view.is_server("ejbca")
            else ("The challenge password is wrong or missing.",)
        )
        yield Evidence(
            f"The server refuses {what} with badRequest{_text(reply)}.",
            _fail_fact(view, reply),
            causes=(
                *meant(view),
                *(first if view.request is not None and view.request.message_type == MessageType.PKCSReq else ()),
            ),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4")
def certrep_badtime(view: View, reply: PkiMessage) -> Found:
    """Refused: the request's time is too far from the server's (badTime).

    Seen: The CertRep has failInfo 3 (badTime).
    Why: The clock of the client or of the server is wrong.
    Why: Some servers also send this code if the request has no signingTime attribute.
    Do: On the client and on the server, set the clock by NTP, then retry.
    Not: It is not an expired certificate.
    """
    if _fails(reply, FailInfo.badTime):
        signing = view.request.signing_time if view.request is not None else None
        off = (
            f" Its signingTime is {day(signing)}; the packet's time is {day(view.moment)}"
            if signing is not None
            else ""
        )
        apart = (
            f", a difference of {long(signing - view.moment)}"
            if signing is not None and view.moment is not None
            else ""
        )
        yield Evidence(
            f"The server refuses the request with badTime{_text(reply)}.{off}{apart}{'.' if off else ''}",
            (
                *_fail_fact(view, reply),
                view.q("signedAttrs.signingTime", day(signing) if signing is not None else "absent"),
            ),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4")
def certrep_badcertid(view: View, reply: PkiMessage) -> Found:
    """The server finds no matching certificate or request (badCertId).

    Seen: The CertRep has failInfo 4 (badCertId).
    Why: The certificate that the request names was not issued by this server.
    Why: The client polls with a transactionID that the server does not know (any more).
    Do: On the client, check the issuer and the serial number that it asks for; for a poll, start a new enrollment.
    Not: It is not a wrong challenge password.
    """
    if _fails(reply, FailInfo.badCertId):
        what = view.request.message_type_words if view.request is not None else "the request"
        yield Evidence(
            f"The server finds no certificate or request that matches {what}{_text(reply)}.", _fail_fact(view, reply)
        )


@rule.reply(WARNING, "RFC 8894, Section 3.2.1.4")
def certrep_failinfo_missing(view: View, reply: PkiMessage) -> Found:
    """The refusal contains no defined reason code (failInfo).

    Seen: The CertRep is a FAILURE, and failInfo is absent or has a value that RFC 8894 does not define.
    Why: The server does not follow RFC 8894, which requires failInfo in a refusal.
    Do: On the server, read the log at the time of the response: it gives the reason.
    Not: It is not a network fault: the response is complete and signed.
    """
    if reply.pki_status == PkiStatus.FAILURE and reply.fail_info not in {int(each) for each in FailInfo}:
        value = "absent" if reply.fail_info is None else str(reply.fail_info)
        yield Evidence(
            "The response is a FAILURE without failInfo."
            if reply.fail_info is None
            else f"The response is a FAILURE with failInfo {value}, which RFC 8894 does not define.",
            (view.a("CertRep.signedAttrs.failInfo", value),),
        )


@rule.reply(INFO, "RFC 8894, Section 3.2.1.4", "smallstep/certificates#1794")
def certrep_failinfotext(view: View, reply: PkiMessage) -> Found:
    """The server explains its refusal in words (failInfoText).

    Seen: The CertRep contains a failInfoText attribute.
    Why: The server adds an explanation for people to its reason code.
    Do: Correct what the text names; the server's log at the time of the response has more details.
    Not: It is not a fixed code: the wording and the language are the server's.
    """
    if reply.fail_info_text:
        yield Evidence(
            f"The server says {shown(reply.fail_info_text, 200)}.",
            (view.a("CertRep.signedAttrs.failInfoText", shown(reply.fail_info_text, 200)),),
            title=f"The server says {shown(reply.fail_info_text)}",
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.3")
def certrep_status_undefined(view: View, reply: PkiMessage) -> Found:
    """The response has an undefined pkiStatus.

    Seen: pkiStatus is absent, or its value is not 0 (SUCCESS), 2 (FAILURE) or 3 (PENDING).
    Why: The server does not follow RFC 8894.
    Do: Update the server software, and report the value to its vendor.
    Not: It is not a refusal: RFC 8894 does not define what this value means.
    """
    if reply.message_type in (MessageType.CertRep, None) and reply.pki_status not in {int(each) for each in PkiStatus}:
        value = "absent" if reply.pki_status is None else str(reply.pki_status)
        yield Evidence(
            f"The response's pkiStatus is {value}; RFC 8894 defines 0, 2 and 3.",
            (view.a("CertRep.signedAttrs.pkiStatus", value),),
            title="The response has no pkiStatus" if reply.pki_status is None else None,
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.5")
def certrep_nonce_mismatch(view: View, reply: PkiMessage) -> Found:
    """The recipientNonce of the response does not match the request.

    Seen: The recipientNonce of the CertRep differs from the senderNonce of the request.
    Why: A cache or a proxy returns the response to an older request, or to another client's request.
    Why: The server copies the wrong value.
    Matters: RFC 8894 requires the client to reject such a response.
    Do: On every proxy, cache and load balancer in the path, switch off caching for the SCEP URL, then retry.
    Not: It is not a response to this request, as far as the nonces show.
    """
    request = view.request
    if (
        request is not None
        and request.sender_nonce
        and reply.recipient_nonce
        and reply.recipient_nonce != request.sender_nonce
    ):
        yield Evidence(
            f"The response's recipientNonce is {hexes(reply.recipient_nonce)}; the request's senderNonce is {hexes(request.sender_nonce)}.",
            (
                view.a("CertRep.signedAttrs.recipientNonce", reply.recipient_nonce),
                view.q("signedAttrs.senderNonce", request.sender_nonce),
            ),
        )


@rule.reply(WARNING, "RFC 8894, Section 3.2.1.5", "RFC 8894, Section 3.3.2", "micromdm/scep#104")
def certrep_nonce_missing(view: View, reply: PkiMessage) -> Found:
    """The response lacks a nonce.

    Seen: The CertRep has no recipientNonce or no senderNonce.
    Why: The server does not send it. RFC 8894 requires the recipientNonce; it lists the senderNonce too, but most clients ignore it.
    Matters: Without the recipientNonce a client cannot tell whether the response belongs to its request. RouterOS rejects a response without
        senderNonce.
    Do: Update the server software, if the client rejects the response.
    Not: It is not a wrong nonce.
    """
    missing = [
        name
        for name, value in (("recipientNonce", reply.recipient_nonce), ("senderNonce", reply.sender_nonce))
        if value is None
    ]
    if missing and reply.message_type in (MessageType.CertRep, None):
        yield Evidence(
            f"The response has no {' and no '.join(missing)}.",
            tuple(view.a(f"CertRep.signedAttrs.{name}", "absent") for name in missing),
            severity=Severity.INFO if missing == ["senderNonce"] else None,
            title=f"The response has no {' and no '.join(missing)}",
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.1")
def certrep_transid_mismatch(view: View, reply: PkiMessage) -> Found:
    """The transactionID of the response does not match the request.

    Seen: The transactionID of the CertRep differs from that of the request.
    Why: A cache or a proxy returns the response to an older request, or to another client's request.
    Why: The server copies the wrong value.
    Matters: The client rejects the response.
    Do: On every proxy, cache and load balancer in the path, switch off caching for the SCEP URL, then retry.
    Not: It is not a response to this request.
    """
    request = view.request
    if request is not None and not request.partial and reply.transaction_id != request.transaction_id:
        yield Evidence(
            f"The response's transactionID is {shown(str(reply.transaction_id))}; the request's is {shown(str(request.transaction_id))}.",
            (
                view.a("CertRep.signedAttrs.transactionID", reply.transaction_id),
                view.q("signedAttrs.transactionID", request.transaction_id),
            ),
        )


@rule.exchange(ERROR, "RFC 8894, Section 3.3.2", where=("pkiMessage",))
def certrep_not_type_3(view: View) -> Found:
    """The response is not a CertRep.

    Seen: The messageType of the response is not 3 (CertRep).
    Why: Something in the path returns the client's own request: an echo service or a proxy that forwards to itself.
    Do: On the client, check the enrollment URL: the program at that address is not a SCEP server.
    Not: It is not a refusal.
    """
    reply = view.reply
    if reply is not None and not reply.partial and reply.message_type not in (MessageType.CertRep, None):
        yield Evidence(
            f"The response is a {reply.message_type_words}; it must be a CertRep (messageType 3).",
            (view.a("signedAttrs.messageType", str(reply.message_type)),),
            title=f"The response is a {reply.message_type_words}, not a CertRep",
        )


@rule.reply(ERROR, "RFC 5652, Section 5.6")
def certrep_signature_invalid(view: View, reply: PkiMessage) -> Found:
    """The signature of the response is invalid.

    Seen: The signature of the CertRep does not verify with the key of the certificate that it names.
    Why: The server signs with a key that does not belong to the certificate that it names.
    Why: A device in the path changed the message.
    Matters: The client must reject the response.
    Do: On the server, check that the private key belongs to the RA or CA certificate that signs the responses: compare the public keys.
    Do (ndes): On the NDES server, run `certutil -store My`: each RA certificate must report that its encryption test or signature test passed.
    Not: It is not an unknown signer: the signer's certificate is in the capture.
    """
    if reply.signature.valid is False:
        yield Evidence(
            f"The signature of the response {reply.signature.reason}; it is checked with the key of {view.named(reply.signer_identity)}.",
            (view.a("CertRep.SignerInfo.signature", reply.signature.reason),),
        )


@rule.reply(ERROR, "RFC 5652, Section 11.2")
def certrep_digest_mismatch(view: View, reply: PkiMessage) -> Found:
    """The messageDigest of the response does not match its content.

    Seen: The messageDigest attribute differs from the hash of the signed content (eContent).
    Why: A device in the path changed the content, or the server calculates the hash incorrectly.
    Matters: The client must reject the response.
    Do: Bypass the proxy in the path and retry. If the digest is still wrong, update the server software.
    Not: It is not an invalid signature: the signature covers the attributes, and the digest covers the content.
    """
    if reply.digest.valid is False:
        yield Evidence(
            f"In the response, {reply.digest.reason}.",
            (view.a("CertRep.signedAttrs.messageDigest", reply.digest.reason),),
        )


@rule.reply(ERROR, "RFC 8894, Section 2.1.2")
def certrep_signer_unknown(view: View, reply: PkiMessage) -> Found:
    """The response is signed by a certificate that GetCACert did not return.

    Seen: The issuer and serial number of the signer match none of the certificates in the responses to GetCACert.
    Why: The RA certificates were renewed between the two requests.
    Why: Another server behind the same name or address responded.
    Why: A man in the middle responded in the server's place.
    Matters: A client that trusts only the certificates of GetCACert rejects the response.
    Do: On the client, fetch the CA certificates again and compare their fingerprints with those on the server.
    Do (ios-client): On the device, run `no crypto pki certificate chain TRUSTPOINT`, then `crypto pki authenticate TRUSTPOINT`.
    Do (apple, windows-mdm, intune-android): In the MDM, push the profile with the CA certificate to the device again.
    Do (sscep): On the client, run `sscep getca -u URL -c ca.crt -F sha256` again.
    Not: It is not an invalid signature.
    """
    if not view.offers:
        yield NotChecked(f"no GetCACert response of this server is in the {view.scene.source}")
        return
    identity = reply.signer_identity
    if identity is None or identity in view.offered:
        return
    issuers = {certificate.subject for certificate, _ in view.offered.values()}
    included = reply.signer is not None and any(each.identity == identity for each in reply.certificates)
    by_known_ca = included and identity[0] in issuers
    yield Evidence(
        f"The response is signed by {view.named(identity)}. {view.http.server} did not return this certificate in response to GetCACert"
        + ("; one of the returned CAs issued it, and the response includes it." if by_known_ca else "."),
        (
            view.a("CertRep.SignerInfo.sid", serial(identity)),
            Fact(view.offers[-1].frame, "GetCACert", "; ".join(sorted(issuers)[:3])),
        ),
        severity=Severity.WARNING if by_known_ca and reply.signature.valid else None,
    )


@rule.reply(WARNING, "RFC 8894, Section 2.1.2")
def certrep_signer_is_encryption_ra(view: View, reply: PkiMessage) -> Found:
    """The key usage of the response's signer does not allow signing.

    Seen: The keyUsage of the certificate that signed the response does not include digitalSignature.
    Why: The server signs with its encryption certificate.
    Matters: Strict clients reject the response.
    Do: On the server, configure a certificate with the key usage digitalSignature as the signer of responses.
    Do (ndes): On the NDES server, re-enroll the template "Exchange Enrollment Agent (Offline request)", give the service account Read on its private
        key, then run `iisreset`.
    Not: It is not an invalid signature.
    """
    signer = reply.signer
    if signer is not None and signer.key_usage is not None and "digitalSignature" not in signer.key_usage:
        signs = signer.is_ca and "keyCertSign" in signer.key_usage
        yield Evidence(
            f"The response is signed by {certificate_words(signer)}, whose keyUsage is {usage_words(signer)}.",
            (view.a("signer.keyUsage", usage_words(signer)),),
            severity=Severity.INFO if signs else None,
        )


@rule.reply(INFO, "RFC 8894, Section 3", "micromdm/scep#158")
def certrep_no_certificates(view: View, reply: PkiMessage) -> Found:
    """The response does not include its signer's certificate.

    Seen: The certificates field of the CertRep is empty or absent.
    Why: The server leaves the certificate out. CMS allows that, and the client has it from GetCACert.
    Do: Nothing, if the client verifies with the certificates of GetCACert. A client that needs the certificate inside reports "no certificate for
        signer".
    Not: It is not a fault of the server.
    """
    if not reply.certificates:
        yield Evidence(
            f"The response includes no certificate; its signer is {view.named(reply.signer_identity)}.",
            (view.a("SignedData.certificates", "absent"),),
        )


@rule.reply(INFO, "RFC 8894, Section 3.3.2.2", "certnanny/sscep#59", "certnanny/sscep#80")
def certrep_dummy_content(view: View, reply: PkiMessage) -> Found:
    """Placeholder byte in a response without content.

    Seen: The content of a FAILURE or PENDING response is 1 to 7 bytes long.
    Why: NDES sends one zero byte where other servers send no content. sscep calls it "illegal size of payload".
    Do: Nothing: clients ignore this byte.
    Not: It is not a fault, and not the reason for the refusal.
    """
    if reply.pki_status in (PkiStatus.FAILURE, PkiStatus.PENDING) and reply.content_length and reply.content_length < 8:
        yield Evidence(
            f"The content of the response is {count(reply.content_length, 'byte')} long.",
            (view.a("encapContentInfo.eContent", count(reply.content_length, "byte")),),
            title=f"{reply.content_length}-byte placeholder in a response without content",
        )


@rule.reply(ERROR, "RFC 5652, Section 11.1", "openxpki/openxpki#789", "seize-the-dave/jscep#152")
def certrep_contenttype_missing(view: View, reply: PkiMessage) -> Found:
    """The signed attributes of the response lack contentType.

    Seen: The CertRep has signed attributes, and contentType is not among them.
    Why: The SCEP library of the server does not write the attribute.
    Matters: BouncyCastle (jscep, Android) and `openssl cms` reject such a response.
    Do: Update the server software: CMS requires the attribute wherever there are signed attributes.
    Not: It is not an invalid signature.
    """
    if reply.forms and reply.form(codes.CONTENT_TYPE) is None:
        yield Evidence(
            "The response's signed attributes do not include contentType.",
            (view.a("CertRep.signedAttrs.contentType", "absent"),),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.3.2.1", "dogtagpki/pki#4198")
def certrep_success_without_envelope(view: View, reply: PkiMessage) -> Found:
    """The response says SUCCESS but contains no certificate.

    Seen: The CertRep has pkiStatus 0 (SUCCESS) and no EnvelopedData.
    Why: The server did not issue a certificate and still reports SUCCESS. Some servers do this while a request waits for approval.
    Matters: The client has no certificate, although the server reports success.
    Else: On the server, look for the request and approve it, then start the enrollment again.
    Do (dogtag): In the Dogtag agent pages, approve the pending request, then run the client again.
    Not: It is not a completed enrollment.
    """
    if reply.pki_status == PkiStatus.SUCCESS and reply.envelope is None:
        odd = view.odd("envelope-unreadable")
        yield Evidence(
            f"The response says SUCCESS and contains no envelope{f' ({odd.detail})' if odd is not None else ''}.",
            (view.a("CertRep.signedAttrs.pkiStatus", "0"), view.a("encapContentInfo.eContent", "no EnvelopedData")),
        )


@rule.reply(WARNING, "RFC 8894, Section 3.3.2.3")
def certrep_pending_with_envelope(view: View, reply: PkiMessage) -> Found:
    """The response says PENDING but contains an envelope.

    Seen: The CertRep has pkiStatus 3 (PENDING) and an EnvelopedData.
    Why: The server does not follow RFC 8894, which requires the envelope to be left out.
    Do: Update the server software, and report it to its vendor.
    Not: It is not an issued certificate, according to its status.
    """
    if reply.pki_status == PkiStatus.PENDING and reply.envelope is not None:
        yield Evidence(
            "The response says PENDING and contains an envelope.",
            (view.a("CertRep.signedAttrs.pkiStatus", "3"), view.a("EnvelopedData", "present")),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.2")
def certrep_not_for_requester(view: View, reply: PkiMessage) -> Found:
    """The response is encrypted for another certificate, not the client's.

    Seen: The recipient of the response's envelope is not the certificate that signed the request.
    Why: The server mixes up the responses to several clients.
    Why: The server looks up the client's certificate by name and finds an older one.
    Matters: The client cannot decrypt the response and gets no certificate.
    Do: On the server, remove older certificates of the same name, then retry. If the fault remains, update the server software.
    Not: It is not a wrong key on the client.
    """
    signer = view.request.signer if view.request is not None else None
    if signer is None or reply.envelope is None or not reply.envelope.recipients:
        return
    every = [each for each in reply.envelope.recipients if each.kind == "key-transport"]
    if every and all(each.identity is not None and each.identity != signer.identity for each in every):
        yield Evidence(
            f"The response is encrypted for {view.named(every[0].identity)}; the request is signed by {certificate_words(signer)}.",
            (view.a("CertRep.recipientInfos", recipient_words(every[0])), view.q("signer", serial(signer.identity))),
        )


@rule.reply(INFO, "RFC 8894, Section 3.5.2")
def certrep_cipher_weak(view: View, reply: PkiMessage) -> Found:
    """The response is encrypted with DES or 3DES.

    Seen: The contentEncryptionAlgorithm of the response is des-cbc or des-ede3-cbc.
    Why: Many servers have a fixed cipher for responses: SCEP gives the client no way to choose it.
    Matters: DES can be broken within minutes, and OpenSSL 3 refuses it by default. 3DES is outdated but not broken.
    Else: On the server, set the cipher of responses to AES, if all its clients support AES.
    Do (step-ca): On the step-ca server, run `step ca provisioner update NAME --encryption-algorithm-identifier 2` (AES-256-CBC).
    Do (scepman): In Azure, set `AppConfig:SCEPResponseEncryptionAlgorithm` to 2.16.840.1.101.3.4.1.42 (AES-256).
    Not: It is not a fault of the client.
    """
    cipher = reply.envelope.content_encryption_algorithm if reply.envelope is not None else None
    if cipher in ("des-cbc", "des-ede3-cbc"):
        yield Evidence(
            f"The response is encrypted with {cipher}.",
            (view.a("CertRep.contentEncryptionAlgorithm", cipher),),
            title=f"The response is encrypted with {'single DES' if cipher == 'des-cbc' else '3DES'}",
        )


@rule.reply(INFO, "IntuneDocs#3307", "RFC 8894, Section 2.7")
def getcrl_refused(view: View, reply: PkiMessage) -> Found:
    """The server does not provide CRLs or certificates by SCEP.

    Seen: The server refuses a GetCRL or GetCert message with FAILURE.
    Why: Most servers do not implement these messages.
    Do: On the client, fetch the CRL from the CRL distribution point in the certificate instead.
    Not: It is not a fault of the enrollment.
    """
    if (
        view.refused
        and reply.fail_info != FailInfo.badCertId  # it does, and does not know this one
        and view.request is not None
        and view.request.message_type in (MessageType.GetCRL, MessageType.GetCert)
    ):
        yield Evidence(
            f"The server refuses {view.request.message_type_words}.",
            (view.a("CertRep.signedAttrs.pkiStatus", "2"), *_fail_fact(view, reply)),
            title=f"The server refuses {view.request.message_type_words}",
        )
