"""The server's answer, CertRep: what it says, and whether it belongs to the request (RFC 8894, Section 3.3.2)."""

from scep_analyzer.glossary import HRESULTS, fail_info_name
from scep_analyzer.model.findings import Evidence, Fact, NotChecked, Severity
from scep_analyzer.model.scep import FailInfo, MessageType, PkiMessage, PkiStatus
from scep_analyzer.rules._rule import ERROR, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import certificate_words, day, hexes, long, recipient_words, serial, shown, usage_words
from scep_analyzer.rules.http_status import meant
from scep_analyzer.scep import codes

HRESULT_ACTIONS = {
    0x80070005: "Give the NDES service account Read and Enroll on the templates and Request Certificates on the CA.",
    0x80070057: "Get a new challenge password; make sure that it is sent as PrintableString; read the Application log.",
    0x800706BA: "Check that the CA service runs and that NDES reaches it by RPC (TCP 135 and the dynamic ports).",
    0x80090005: "Let the client fetch the CA certificates again: the request is encrypted for another certificate.",
    0x80092013: "Publish the CA's CRL and make its distribution point reachable from the NDES server.",
    0x800B0101: "Renew the expired RA or signer certificate.",
    0x80094001: "Shorten or correct the subject that the client asks for.",
    0x80094012: "Give the NDES service account, and only it, Read and Enroll on the certificate template.",
    0x80094014: "Ask the CA manager why the request was denied.",
    0x80094016: "Use a longer key and SHA-256.",
    0x80094800: "Publish the template that NDES's registry names (HKLM\\Software\\Microsoft\\Cryptography\\MSCEP) on the CA, by its name without blanks.",
    0x80094801: "Set the template names in NDES's registry.",
    0x80094803: "Add a subjectAltName to the request, or change the template.",
    0x80094806: "Renew with the subject of the old certificate, or enroll anew.",
    0x80094811: "Make a key at least as long as the template's minimum.",
}


def _words(hresult: int) -> str:
    name, usual = HRESULTS.get(hresult, ("", "no name is known for it"))
    return f"0x{hresult:08X} {name}".strip() + f": {usual}"


@rule.reply(ERROR, "RFC 8894, Section 3.3.2.2")
def certrep_failure(view: View, reply: PkiMessage) -> Found:
    """The server refuses the request.

    Seen: pkiStatus 2, FAILURE.
    Why: NDES's HRESULT, failInfoText and failInfo say why, in this order of worth; the other findings of this transaction say more.
    Do: See the cause that this finding points at.
    Not: A fault of the network: the answer is whole and signed.
    """
    if reply.pki_status != PkiStatus.FAILURE:
        return
    said = []
    if reply.hresult:
        said.append(_words(reply.hresult))
    if reply.fail_info_text:
        said.append(f"failInfoText {shown(reply.fail_info_text, 120)}")
    if reply.fail_info is not None:
        said.append(f"failInfo {reply.fail_info} {fail_info_name(reply.fail_info) or ''}".strip())
    yield Evidence(
        f"The server refuses {view.request.message_type_words if view.request is not None else 'the request'}: {'; '.join(said) or 'without a reason'}.",
        (view.a("CertRep.signedAttrs.pkiStatus", "2"), *_fail_fact(view, reply)),
    )


def _fail_fact(view: View, reply: PkiMessage) -> tuple[Fact, ...]:
    return (view.a("CertRep.signedAttrs.failInfo", str(reply.fail_info)),) if reply.fail_info is not None else ()


@rule.reply(ERROR, "wincrypt.h, szOID_ENROLL_SCEP_ERROR", "certnanny/sscep#59")
def certrep_ndes_hresult(view: View, reply: PkiMessage) -> Found:
    """NDES says in a signed attribute what went wrong.

    Seen: The attribute 1.3.6.1.4.1.311.21.33 holds an HRESULT, readable without any key.
    Why: The CA refused the request, or NDES could not read or submit it: the number names the reason.
    Do: Look up the HRESULT's meaning, then the Application log of the NDES server (event 31 for refusals of the CA) and Failed Requests on the CA.
    Not: A guess from failInfo: this is the server's own word.
    """
    if reply.hresult:
        action = HRESULT_ACTIONS.get(reply.hresult)
        causes = (
            (f"{HRESULTS[reply.hresult][1][0].upper()}{HRESULTS[reply.hresult][1][1:]}.",)
            if reply.hresult in HRESULTS
            else ()
        )
        decimal = reply.hresult - (1 << 32) if reply.hresult >> 31 else reply.hresult
        yield Evidence(
            f"NDES says {_words(reply.hresult)}.",
            (view.a("CertRep.signedAttrs.ENROLL_SCEP_ERROR", f"{decimal} (0x{reply.hresult:08x})"),),
            causes=causes,
            actions=(action,) if action is not None else (),
            code=reply.hresult,
        )


def _fails(reply: PkiMessage, which: FailInfo) -> bool:
    return reply.pki_status == PkiStatus.FAILURE and reply.fail_info == which


def _text(reply: PkiMessage) -> str:
    return f", and says {shown(reply.fail_info_text, 120)}" if reply.fail_info_text else ""


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4")
def certrep_badalg(view: View, reply: PkiMessage) -> Found:
    """The server does not support an algorithm of the request.

    Seen: failInfo 0, badAlg.
    Why: The hash, the cipher, the key transport or the kind of key in the request.
    Do: Compare with the server's capabilities, and choose what both can.
    Not: A wrong challenge password.
    """
    if _fails(reply, FailInfo.badAlg):
        message = view.request
        envelope = message.envelope if message is not None else None
        used = [message.digest_algorithm or "?"] if message is not None else []
        if envelope is not None:
            used += [envelope.content_encryption_algorithm or "?", envelope.key_encryption_algorithm or "?"]
        yield Evidence(
            f"The server refuses with badAlg{_text(reply)}; the request uses {', '.join(used) or 'algorithms that are not in the capture'}.",
            (*_fail_fact(view, reply), view.q("algorithms", ", ".join(used))),
            causes=meant(view),
        )


_NEVER_FOR_PASSWORDS = ("openxpki", "step-ca", "micromdm", "ejbca")
"""Servers that answer a wrong challenge password with another code than badMessageCheck."""


def _refuses_passwords_so(view: View) -> bool:
    return not view.is_server(*_NEVER_FOR_PASSWORDS)


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4", "certnanny/sscep#39", "certnanny/sscep#156")
def certrep_badmessagecheck(view: View, reply: PkiMessage) -> Found:
    """The server could not verify the request, or did not accept its password.

    Seen: failInfo 1, badMessageCheck.
    Why: On NDES: the challenge password is wrong, used, expired or of the wrong string type (event 29).
    Why: The signature of the request does not fit, or the server could not decrypt it.
    Matters: The code covers both: a damaged message, and on some servers a password that is not accepted.
    Do: Where the signature verifies here, look at the challenge password and at the recipient of the request; the server's log decides.
    Do (ndes): Get a new password from /certsrv/mscep_admin/; Application log, event 29 (28 at a renewal). Registry, below MSCEP: PasswordValidity, PasswordMax,
        UseSinglePassword, EnforcePassword.
    Do (ucm): Its log says which: the password expired after 24 hours, none was sent, or the envelope could not be decrypted.
    Do (otilm): failInfoText says which; the challenge password is that of the SCEP profile.
    Do (openxpki): Only the signature or its signer's certificate is meant (error 40001); a challenge is never the reason.
    Not: Proof of a damaged message: NDES uses this code for passwords too.
    """
    if _fails(reply, FailInfo.badMessageCheck):
        message = view.request
        verdict = message.signature.valid if message is not None else None
        checked = {
            True: "the request's signature and digest are valid here",
            False: "the request's signature fails here too",
            None: "the request's signature cannot be checked here",
        }
        first = (
            (
                "The challenge password is wrong, used or expired: the request's signature verifies, so the message is whole.",
            )
            if verdict
            and message is not None
            and message.digest.valid
            and _refuses_passwords_so(view)
            and not reply.fail_info_text
            else ()
        )
        yield Evidence(
            f"The server refuses with badMessageCheck{_text(reply)}; {checked[verdict]}.",
            (*_fail_fact(view, reply), view.q("SignerInfo.signature", checked[verdict])),
            causes=(*meant(view), *first),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4", "Gradenegger, event 31")
def certrep_badrequest(view: View, reply: PkiMessage) -> Found:
    """The server does not permit the request.

    Seen: failInfo 2, badRequest.
    Why: The CA refused it: policy, template, key size, rights, status of the end entity.
    Why: The challenge password is wrong, on servers that answer so.
    Why: The server does not support this messageType or this renewal.
    Do: Read the server's log at that second.
    Do (ndes): Application log, event 31, and Failed Requests in certsrv.msc on the CA; the HRESULT, where there is one, names the reason.
    Do (step-ca): `step ca provisioner update NAME --challenge VALUE` sets the challenge; the log tells of policy, key length and templates.
    Do (micromdm): The log tells: "invalid challenge" (SCEP_CHALLENGE_PASSWORD), "DN already exists" (SCEP_CERT_RENEW), "CSR verify failed".
    Do (ejbca): The end entity must be NEW and its names equal to those of the request; details are in server.log.
    Do (openxpki): The workflow's error_code tells; search it by the transactionID in the WebUI.
    Do (scepman): On /static the challenge is AppConfig:StaticValidation:RequestPassword; Log Analytics, table SCEPman_CL, tells the rest.
    Not: A damaged message.
    """
    if _fails(reply, FailInfo.badRequest):
        what = view.request.message_type_words if view.request is not None else "The request"
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
    """The server finds the request's time too far from its own.

    Seen: failInfo 3, badTime.
    Why: The clock of the client, or of the server, is wrong.
    Do: Set both clocks with NTP.
    Not: An expired certificate.
    """
    if _fails(reply, FailInfo.badTime):
        signing = view.request.signing_time if view.request is not None else None
        off = f"; signingTime is {day(signing)}, the packet's time {day(view.moment)}" if signing is not None else ""
        apart = f", {long(signing - view.moment)} apart" if signing is not None and view.moment is not None else ""
        yield Evidence(
            f"The server refuses with badTime{_text(reply)}{off}{apart}.",
            (
                *_fail_fact(view, reply),
                view.q("signedAttrs.signingTime", day(signing) if signing is not None else "absent"),
            ),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.4")
def certrep_badcertid(view: View, reply: PkiMessage) -> Found:
    """The server knows no such certificate.

    Seen: failInfo 4, badCertId.
    Why: The certificate or transaction that the request names is not the server's.
    Do: Check issuer and serial number, or the transactionID of the poll.
    Not: A wrong challenge password.
    """
    if _fails(reply, FailInfo.badCertId):
        what = view.request.message_type_words if view.request is not None else "the request"
        yield Evidence(f"The server finds no certificate that matches {what}{_text(reply)}.", _fail_fact(view, reply))


@rule.reply(WARNING, "RFC 8894, Section 3.2.1.4")
def certrep_failinfo_missing(view: View, reply: PkiMessage) -> Found:
    """The refusal does not say why.

    Seen: FAILURE without failInfo, or with a value that is not defined.
    Why: A fault of the server.
    Do: Read the server's log.
    Not: A refusal without a cause.
    """
    if reply.pki_status == PkiStatus.FAILURE and reply.fail_info not in {int(each) for each in FailInfo}:
        value = "absent" if reply.fail_info is None else str(reply.fail_info)
        yield Evidence(f"The refusal's failInfo is {value}.", (view.a("CertRep.signedAttrs.failInfo", value),))


@rule.reply(INFO, "RFC 8894, Section 3.2.1.4", "smallstep/certificates#1794")
def certrep_failinfotext(view: View, reply: PkiMessage) -> Found:
    """The server says in words why.

    Seen: A failInfoText attribute.
    Why: It is the server's own explanation.
    Do: Act on it.
    Not: A code: the words are the server's, and may be in its language.
    """
    if reply.fail_info_text:
        yield Evidence(
            f"The server says {shown(reply.fail_info_text, 200)}.",
            (view.a("CertRep.signedAttrs.failInfoText", shown(reply.fail_info_text, 200)),),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.3", "dogtagpki/pki#4198")
def certrep_status_undefined(view: View, reply: PkiMessage) -> Found:
    """The answer's status is none that exists.

    Seen: pkiStatus is absent, or not 0, 2 or 3.
    Why: A fault of the server.
    Do: Report it to the server's makers.
    Not: A refusal: it is not defined what the server meant.
    """
    if reply.message_type in (MessageType.CertRep, None) and reply.pki_status not in {int(each) for each in PkiStatus}:
        value = "absent" if reply.pki_status is None else str(reply.pki_status)
        yield Evidence(f"The answer's pkiStatus is {value}.", (view.a("CertRep.signedAttrs.pkiStatus", value),))


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.5")
def certrep_nonce_mismatch(view: View, reply: PkiMessage) -> Found:
    """The answer's recipientNonce is not the request's senderNonce.

    Seen: The two values differ.
    Why: A cache or a proxy mixes up answers, or the server is at fault.
    Do: Look for pkioperation-cached, and for a load balancer; a client that checks rejects this answer.
    Not: An answer to this request, as far as the nonces tell.
    """
    request = view.request
    if (
        request is not None
        and request.sender_nonce
        and reply.recipient_nonce
        and reply.recipient_nonce != request.sender_nonce
    ):
        yield Evidence(
            f"recipientNonce {hexes(reply.recipient_nonce)} is not the request's senderNonce {hexes(request.sender_nonce)}.",
            (
                view.a("CertRep.signedAttrs.recipientNonce", reply.recipient_nonce),
                view.q("signedAttrs.senderNonce", request.sender_nonce),
            ),
        )


@rule.reply(WARNING, "RFC 8894, Section 3.2.1.5", "micromdm/scep#104")
def certrep_nonce_missing(view: View, reply: PkiMessage) -> Found:
    """The answer lacks a nonce.

    Seen: No recipientNonce or no senderNonce in the CertRep.
    Why: A fault of the server.
    Do: Mend the server; MikroTik and others refuse such an answer.
    Not: A wrong nonce.
    """
    missing = [
        name
        for name, value in (("recipientNonce", reply.recipient_nonce), ("senderNonce", reply.sender_nonce))
        if value is None
    ]
    if missing and reply.message_type in (MessageType.CertRep, None):
        yield Evidence(
            f"The answer has no {' and no '.join(missing)}.",
            tuple(view.a(f"CertRep.signedAttrs.{name}", "absent") for name in missing),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.1.1")
def certrep_transid_mismatch(view: View, reply: PkiMessage) -> Found:
    """The answer's transactionID is not the request's.

    Seen: The two values differ.
    Why: A cache or a proxy mixes up answers, or the server is at fault.
    Do: Look for pkioperation-cached, and for a load balancer; the client rejects this answer.
    Not: An answer to this request.
    """
    request = view.request
    if request is not None and not request.partial and reply.transaction_id != request.transaction_id:
        yield Evidence(
            f"The answer's transactionID {shown(str(reply.transaction_id))} is not the request's {shown(str(request.transaction_id))}.",
            (
                view.a("CertRep.signedAttrs.transactionID", reply.transaction_id),
                view.q("signedAttrs.transactionID", request.transaction_id),
            ),
        )


@rule.exchange(ERROR, "RFC 8894, Section 3.3.2")
def certrep_not_type_3(view: View) -> Found:
    """The answer is no CertRep.

    Seen: The answer's messageType is not 3.
    Why: The request comes back: an echo, or a proxy that loops.
    Do: Check the URL: something that is no SCEP server answers.
    Not: A refusal.
    """
    reply = view.reply
    if reply is not None and not reply.partial and reply.message_type not in (MessageType.CertRep, None):
        yield Evidence(
            f"The answer's messageType is {reply.message_type_words}, where CertRep 3 belongs.",
            (view.a("signedAttrs.messageType", str(reply.message_type)),),
        )


@rule.reply(ERROR, "RFC 5652, Section 5.6")
def certrep_signature_invalid(view: View, reply: PkiMessage) -> Found:
    """The answer's signature does not fit.

    Seen: The signature fails with the key of the certificate that the answer names.
    Why: A fault of the server, or bytes were changed on the way.
    Do: Look at the other findings about this answer; compare the RA certificates.
    Not: An unknown signer: the certificate is there.
    """
    if reply.signature.valid is False:
        yield Evidence(
            f"The answer's signature {reply.signature.reason} with the key of {view.named(reply.signer_identity)}.",
            (view.a("CertRep.SignerInfo.signature", reply.signature.reason),),
        )


@rule.reply(ERROR, "RFC 5652, Section 11.2")
def certrep_digest_mismatch(view: View, reply: PkiMessage) -> Found:
    """The answer's messageDigest is not that of its content.

    Seen: The messageDigest attribute differs from the hash of the eContent.
    Why: A fault of the server, or bytes were changed on the way.
    Do: Mend the server or the proxy.
    Not: A wrong signature: that is made over the attributes.
    """
    if reply.digest.valid is False:
        yield Evidence(
            f"In the answer, {reply.digest.reason}.",
            (view.a("CertRep.signedAttrs.messageDigest", reply.digest.reason),),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.3.2")
def certrep_signer_unknown(view: View, reply: PkiMessage) -> Found:
    """The answer is signed by a certificate that GetCACert did not give.

    Seen: Issuer and serial number of the signer are those of none of the offered certificates.
    Why: The RA certificates were renewed between the two requests, or another server answers.
    Why: Somebody on the way answers for the server.
    Do: Fetch the CA certificates again and compare fingerprints.
    Not: A wrong signature.
    """
    if not view.offers:
        yield NotChecked("no GetCACert answer of this server is in the capture")
        return
    identity = reply.signer_identity
    if identity is None or identity in view.offered:
        return
    issuers = {certificate.subject for certificate, _ in view.offered.values()}
    included = reply.signer is not None and any(each.identity == identity for each in reply.certificates)
    by_known_ca = included and identity[0] in issuers
    yield Evidence(
        f"The answer is signed by {view.named(identity)}, which is none of the certificates that {view.http.server} offered"
        + ("; one of its CAs issued it, and the answer carries it." if by_known_ca else "."),
        (
            view.a("CertRep.SignerInfo.sid", serial(identity)),
            Fact(view.offers[-1].frame, "GetCACert", "; ".join(sorted(issuers)[:3])),
        ),
        severity=Severity.WARNING if by_known_ca and reply.signature.valid else None,
    )


@rule.reply(WARNING, "RFC 8894, Section 2.1.2")
def certrep_signer_is_encryption_ra(view: View, reply: PkiMessage) -> Found:
    """The answer is signed with a certificate that may not sign.

    Seen: The signer's keyUsage lacks digitalSignature.
    Why: The server takes its encryption certificate.
    Do: Mend the server's configuration; strict clients reject the answer.
    Not: A wrong signature.
    """
    signer = reply.signer
    if signer is not None and signer.key_usage is not None and "digitalSignature" not in signer.key_usage:
        signs = signer.is_ca and "keyCertSign" in signer.key_usage
        yield Evidence(
            f"The answer is signed by {certificate_words(signer)}, whose keyUsage is {usage_words(signer)}.",
            (view.a("signer.keyUsage", usage_words(signer)),),
            severity=Severity.INFO if signs else None,
        )


@rule.reply(INFO, "RFC 8894, Section 3.1", "micromdm/scep#158")
def certrep_no_certificates(view: View, reply: PkiMessage) -> Found:
    """The answer carries no certificate of its signer.

    Seen: The certificates field of the answer is empty or absent.
    Why: Normal for NDES.
    Do: Verify with the certificates of GetCACert. A client that wants one inside says "no certificate for signer".
    Not: A fault.
    """
    if not reply.certificates:
        yield Evidence(
            f"The answer carries no certificate; its signer is {view.named(reply.signer_identity)}.",
            (view.a("SignedData.certificates", "absent"),),
        )


@rule.reply(INFO, "RFC 8894, Section 3.3.2.2", "certnanny/sscep#59", "certnanny/sscep#80")
def certrep_dummy_content(view: View, reply: PkiMessage) -> Found:
    """A byte stands where nothing belongs.

    Seen: The content of a FAILURE or PENDING is a byte or two.
    Why: Normal for NDES; it is what sscep calls "illegal size of payload".
    Do: Nothing.
    Not: A fault, and not the reason for the refusal.
    """
    if reply.pki_status in (PkiStatus.FAILURE, PkiStatus.PENDING) and reply.content_length and reply.content_length < 8:
        yield Evidence(
            f"The content of the answer is {reply.content_length} byte(s).",
            (view.a("encapContentInfo.eContent", f"{reply.content_length} byte(s)"),),
        )


@rule.reply(ERROR, "RFC 5652, Section 11.1", "openxpki/openxpki#789", "seize-the-dave/jscep#152")
def certrep_contenttype_missing(view: View, reply: PkiMessage) -> Found:
    """The answer's signed attributes lack contentType.

    Seen: Signed attributes without contentType.
    Why: A fault of the server's library.
    Do: Mend the server; BouncyCastle (jscep, Android) and `openssl cms` refuse the answer.
    Not: A wrong signature.
    """
    if reply.forms and reply.form(codes.CONTENT_TYPE) is None:
        yield Evidence(
            "The answer's signed attributes lack contentType.", (view.a("CertRep.signedAttrs.contentType", "absent"),)
        )


@rule.reply(ERROR, "RFC 8894, Section 3.3.2.1")
def certrep_success_without_envelope(view: View, reply: PkiMessage) -> Found:
    """The server says SUCCESS and sends no certificate.

    Seen: pkiStatus 0 without an EnvelopedData.
    Why: A fault of the server; Dogtag answers so while a request waits for approval.
    Do: Look for the request on the server; approve it; report the fault.
    Not: An enrollment: the client has no certificate.
    """
    if reply.pki_status == PkiStatus.SUCCESS and reply.envelope is None:
        odd = view.odd("envelope-unreadable")
        yield Evidence(
            f"The answer says SUCCESS and holds no envelope{f' ({odd.detail})' if odd is not None else ''}.",
            (view.a("CertRep.signedAttrs.pkiStatus", "0"), view.a("encapContentInfo.eContent", "no EnvelopedData")),
        )


@rule.reply(WARNING, "RFC 8894, Section 3.3.2.3")
def certrep_pending_with_envelope(view: View, reply: PkiMessage) -> Found:
    """A pending answer carries an envelope.

    Seen: pkiStatus 3 with an EnvelopedData.
    Why: A fault of the server.
    Do: Report it.
    Not: An issued certificate, by its status.
    """
    if reply.pki_status == PkiStatus.PENDING and reply.envelope is not None:
        yield Evidence(
            "The answer says PENDING and carries an envelope.",
            (view.a("CertRep.signedAttrs.pkiStatus", "3"), view.a("EnvelopedData", "present")),
        )


@rule.reply(ERROR, "RFC 8894, Section 3.2.2")
def certrep_not_for_requester(view: View, reply: PkiMessage) -> Found:
    """The answer is encrypted for somebody else.

    Seen: The recipient of the answer's envelope is not the certificate that signed the request.
    Why: The server mixes up answers, or looks up an old certificate of the same name.
    Do: Report it; the client cannot open it.
    Not: A wrong key on the client.
    """
    signer = view.request.signer if view.request is not None else None
    if signer is None or reply.envelope is None or not reply.envelope.recipients:
        return
    every = [each for each in reply.envelope.recipients if each.kind == "key-transport"]
    if every and all(each.identity is not None and each.identity != signer.identity for each in every):
        yield Evidence(
            f"The answer is encrypted for {view.named(every[0].identity)}; the request was signed by {certificate_words(signer)}.",
            (view.a("CertRep.recipientInfos", recipient_words(every[0])), view.q("signer", serial(signer.identity))),
        )


@rule.reply(INFO, "RFC 8894, Section 3.5.2")
def certrep_cipher_weak(view: View, reply: PkiMessage) -> Found:
    """The answer is encrypted with DES or 3DES.

    Seen: contentEncryptionAlgorithm of the answer is des-cbc or des-ede3-cbc.
    Why: SCEP has no way for the client to choose; many servers have a fixed default.
    Do: Set the server's cipher to AES if its clients can.
    Not: A fault of the client.
    """
    cipher = reply.envelope.content_encryption_algorithm if reply.envelope is not None else None
    if cipher in ("des-cbc", "des-ede3-cbc"):
        yield Evidence(
            f"The answer is encrypted with {cipher}.", (view.a("CertRep.contentEncryptionAlgorithm", cipher),)
        )


@rule.reply(INFO, "IntuneDocs#3307", "RFC 8894, Section 2.7")
def getcrl_refused(view: View, reply: PkiMessage) -> Found:
    """The server does not give CRLs or certificates by SCEP.

    Seen: GetCRL or GetCert is answered with FAILURE.
    Why: Most servers do not implement it.
    Do: Use the CRL distribution point in the certificate.
    Not: A fault of the enrollment.
    """
    if (
        view.refused
        and reply.fail_info != FailInfo.badCertId  # it does, and does not know this one
        and view.request is not None
        and view.request.message_type in (MessageType.GetCRL, MessageType.GetCert)
    ):
        yield Evidence(
            f"{view.request.message_type_words} is refused.",
            (view.a("CertRep.signedAttrs.pkiStatus", "2"), *_fail_fact(view, reply)),
        )
