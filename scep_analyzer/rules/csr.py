"""What is inside the request's envelope; these rules need the RA's (or CA's) private key (RFC 8894, Section 3.3.1)."""

import base64
import binascii
import re
from collections.abc import Iterator
from ipaddress import ip_address

from scep_analyzer.model.content import ChallengePassword, Content, Csr
from scep_analyzer.model.findings import Evidence, Fact, NotChecked, Severity
from scep_analyzer.model.scep import Bystander, FailInfo, MessageType
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View, answer_frame
from scep_analyzer.rules._words import count, seconds, shown
from scep_analyzer.rules.requester import is_renewal

_PLACEHOLDERS = re.compile(
    r"\{\{.*?\}\}|\$\(?\w*[A-Z_]{3,}|%[A-Za-z]+%|<[A-Za-z _-]+>|\$[{(]\w+[})]",
    re.IGNORECASE,
)
_USUAL_WORDS = re.compile(r"(?:cisco|password|challenge|changeme|secret)$", re.IGNORECASE)
"""These may be placeholders, and may be what somebody chose."""
_QUOTES = "\"'`“”‘’"
_BLOB = 256
_CERTSRV = 0x80094000
"""HRESULTs of the certification authority's facility begin so."""
_MS_CARRIER, _VERISIGN_CARRIER = "1.3.6.1.4.1.311.2.1.14", "2.16.840.1.113733.1.9.8"
_TEMPLATES = frozenset({"1.3.6.1.4.1.311.20.2", "1.3.6.1.4.1.311.21.7"})
_SID = "1.3.6.1.4.1.311.25.2"
_SID_URI = "tag:microsoft.com,2022-09-14:sid:"
_MULTIPLE = frozenset({"1.3.6.1.4.1.311.13.2.1", "1.3.6.1.4.1.311.13.2.2", "1.2.840.113549.1.9.2"})
"""Attributes that may stand in a request several times."""
_DEFAULT_MINUTES = 60
_USERS = frozenset({"clientAuth", "smartcardLogon"})


def _challenge_fact(view: View, challenge: ChallengePassword) -> Fact:
    return view.q("PKCS#10.challengePassword", f"({challenge.string_type} of {len(challenge.value)} characters)")


def _initial(view: View) -> bool:
    """Whether this asks for a first certificate."""
    return (
        view.request is not None and view.request.message_type == MessageType.PKCSReq and not is_renewal(view.request)
    )


@rule.request(ERROR, "RFC 5652, Section 6", needs="ra")
def inner_decrypt_fails(view: View, message: object) -> Found:
    """The recipient's key does not open the envelope.

    Seen: The key that was given belongs to the certificate that the envelope names, and the content key or the padding comes out wrong.
    Why: The client encrypted with another key behind the same name.
    Why: Bytes were changed, or the client mixes OAEP and PKCS #1 v1.5.
    Do: Compare the certificate on the client with the one that GetCACert gives now.
    Not: A wrong key given to this program: it is the recipient's.
    """
    del message
    envelope = view.request.envelope if view.request is not None else None
    if envelope is None or envelope.content is not None:
        return
    if envelope.problem is None:
        yield NotChecked("no RA key given")
    elif not envelope.key_fits:
        yield NotChecked("the keys given do not open the request")
    else:
        yield Evidence(
            f"The recipient's own key does not open the envelope: {envelope.problem.rstrip('.')}.",
            (view.q("EnvelopedData", envelope.problem),),
        )


@rule.csr(ERROR, "RFC 8894, Section 3.3.1", "micromdm/scep#224")
def inner_not_pkcs10(view: View, content: Content) -> Found:
    """The envelope of a certificate request holds no PKCS #10 request.

    Seen: The messageType asks for a certificate, what is inside is something else.
    Why: The client encrypts another layer, or the wrong file.
    Do: Mend the client.
    Not: A wrong key: the envelope opens.
    """
    kind = view.request.message_type if view.request is not None else None
    if kind in (MessageType.PKCSReq, MessageType.RenewalReq, MessageType.UpdateReq) and content.csr is None:
        yield Evidence(
            f"The envelope opens to {count(content.length, 'byte')} of kind {content.kind}, where a PKCS #10 request belongs.",
            (view.q("messageData", content.kind),),
        )


def _csr(content: Content) -> Iterator[Csr]:
    if content.csr is not None:
        yield content.csr


@rule.csr(ERROR, "RFC 2986, Section 4.2")
def csr_signature_bad(view: View, content: Content) -> Found:
    """The certificate request's own signature fails.

    Seen: The PKCS #10 signature does not fit the key in the request.
    Why: Attributes were changed after signing, or another key signed.
    Do: Make the request anew.
    Not: The signature of the SCEP message, which is another one.
    """
    for csr in _csr(content):
        if csr.signature.valid is False:
            yield Evidence(
                f"The PKCS #10 request's signature {csr.signature.reason}.",
                (view.q("PKCS#10.signature", csr.signature.reason),),
            )


@rule.csr(ERROR, "RFC 8894, Section 2.3")
def csr_key_differs_from_signer(view: View, content: Content) -> Found:
    """The request asks for another key than the one that signed the message.

    Seen: The public key in the PKCS #10 request is not that of the self-signed certificate.
    Why: Files were mixed up: key, request and certificate of different devices.
    Do: Use one key for all three. In a renewal a new key is right.
    Not: A fault in a renewal.
    """
    signer = view.request.signer if view.request is not None else None
    for csr in _csr(content):
        if signer is None or signer.public_key is None or csr.public_key is None or not signer.self_issued:
            continue
        if signer.public_key.encoded != csr.public_key.encoded:
            yield Evidence(
                f"The PKCS #10 request is for key {csr.public_key.fingerprint[:16]}…, the message is signed with key {signer.public_key.fingerprint[:16]}….",
                (
                    view.q("PKCS#10.subjectPKInfo", csr.public_key.fingerprint),
                    view.q("signer.subjectPublicKey", signer.public_key.fingerprint),
                ),
            )


@rule.csr(WARNING, "openxpki/openxpki#360")
def csr_subject_differs_from_signer(view: View, content: Content) -> Found:
    """The request asks for another subject than the message's own certificate has.

    Seen: The subjects of the PKCS #10 request and of the self-signed certificate differ.
    Why: Cisco adds unstructuredName to one of them only; Go's scepclient signs as CN=SCEP SIGNER.
    Do: Relax that check on the server.
    Not: A fault where the server does not compare them.
    """
    signer = view.request.signer if view.request is not None else None
    for csr in _csr(content):
        if signer is not None and signer.self_issued and signer.subject != csr.subject:
            yield Evidence(
                f"The request is for {shown(csr.subject)}, the message is signed by {shown(signer.subject)}.",
                (view.q("PKCS#10.subject", csr.subject), view.q("signer.subject", signer.subject)),
                severity=None if view.refused else Severity.INFO,
            )


@rule.csr(ERROR, "RFC 8894, Section 2.4", "certnanny/sscep#46")
def csr_challenge_missing(view: View, content: Content) -> Found:
    """The request has no challenge password.

    Seen: No challengePassword in a first enrollment.
    Why: It was left empty, or the tool that made the request cannot add one.
    Why: A renewal that the server does not take for one.
    Matters: A server that wants one refuses, or lets the request wait for an approval by hand.
    Do: Get a challenge password from the server and put it into the request.
    Do (ndes): /certsrv/mscep_admin/ gives one; `EnforcePassword` in the registry, below MSCEP, says whether NDES wants it.
    Do (ios-client): `password 0 VALUE` under the trustpoint.
    Do (sscep): Make the request with challengePassword in it: the [req_attributes] section of openssl.cnf.
    Do (strongswan): `pki --scep … --password VALUE`.
    Not: A fault where the server wants none.
    """
    for csr in _csr(content):
        if csr.challenge_password is None and _initial(view) and not _past_the_challenge(view):
            yield Evidence(
                f"The request for {shown(csr.subject)} carries no challengePassword"
                + (", and the server refused it." if view.refused else "."),
                (view.q("PKCS#10.challengePassword", "absent"),),
                severity=None if view.refused else Severity.INFO,
            )


def _past_the_challenge(view: View) -> bool:
    """Whether NDES passed the request on: a code of the CA proves that it took the request without a password (CERTSRV_E_…)."""
    return view.reply is not None and view.reply.hresult is not None and view.reply.hresult & 0xFFFFF000 == _CERTSRV


@rule.csr(ERROR, "gist.github.com, MattRK/5485448")
def csr_challenge_unclean(view: View, content: Content) -> Found:
    """The challenge password holds what was not meant to be in it.

    Seen: Blanks or line ends around it, quotes, a placeholder, or a variable that was not filled in.
    Why: It was copied with its surroundings, or the MDM did not replace the variable.
    Do: Enter it clean; mend the profile's variable.
    Not: A wrong password of the right form.
    """
    for csr in _csr(content):
        challenge = csr.challenge_password
        if challenge is None or len(challenge.value) > _BLOB:
            continue
        value = challenge.value
        what = [
            name
            for name, found in (
                ("begins or ends with a blank or a line end", value != value.strip()),
                ("holds a line end or another control character", any(each < " " for each in value.strip())),
                ("is in quotes", len(value) > 1 and value[0] in _QUOTES and value[-1] in _QUOTES),
                ("looks like a placeholder", bool(_PLACEHOLDERS.search(value))),
                ("is empty", value == ""),
            )
            if found
        ]
        guess = not what and _USUAL_WORDS.match(value) is not None
        if guess:
            what = ["is a word that often stands for one"]
        if what:
            yield Evidence(
                f"The challengePassword of {len(value)} characters {' and '.join(what)}.",
                (_challenge_fact(view, challenge),),
                severity=None if view.refused and not guess else Severity.WARNING,
                strength=POSSIBLE if guess else None,
            )


@rule.csr(ERROR, "certnanny/sscep#59", "certnanny/sscep#83", "certnanny/sscep#156", strength=INFERRED)
def csr_challenge_encoding(view: View, content: Content) -> Found:
    """NDES wants the challenge password as a PrintableString.

    Seen: Another string type, and NDES refused the request with badMessageCheck, or with badRequest and 0x80070057.
    Why: OpenSSL makes a UTF8String by default.
    Do: Set `string_mask = nombstr` in the [req] section of openssl.cnf, and get a new password.
    Not: Settled: a wrong or used password gives the same answer.
    """
    reply = view.reply
    for csr in _csr(content):
        challenge = csr.challenge_password
        if (
            challenge is None
            or challenge.string_type == "PrintableString"
            or reply is None
            or not view.refused
            or not view.is_ndes
        ):
            continue
        if reply.fail_info == FailInfo.badMessageCheck or (
            reply.fail_info == FailInfo.badRequest and reply.hresult in (0x80070057, None)
        ):
            yield Evidence(
                f"The challengePassword is a {challenge.string_type}, and NDES refused the request.",
                (_challenge_fact(view, challenge), view.a("signedAttrs.failInfo", str(reply.fail_info))),
            )


def _pages(view: View | CaptureView) -> Iterator[Bystander]:
    return (
        each for each in view.scene.bystanders if each.kind == "admin" and each.page is not None and each.page.challenge
    )


def _issuing_page(view: View, csr: Csr) -> Bystander | None:
    """The last administration page before this request that gave its challenge."""
    challenge = csr.challenge_password
    found = [
        each
        for each in _pages(view)
        if challenge is not None
        and each.page is not None
        and (each.page.challenge or "").upper() == challenge.value.upper()
        and (each.http.time_ns or 0) <= (view.http.time_ns or 0)
    ]
    return found[-1] if found else None


@rule.csr(ERROR, "certnanny/sscep#156", "fleetdm/fleet#46291", strength=INFERRED)
def csr_challenge_stale(view: View, content: Content) -> Found:
    """The challenge password is too old, or was used already.

    Seen: The administration page gave it more minutes ago than it is good for, or an earlier request carried it.
    Why: One-time passwords: each is good for one request within an hour on NDES.
    Do: Get a new one.
    Not: A wrong password: it is the one that the page gave.
    """
    for csr in _csr(content):
        challenge, page = csr.challenge_password, _issuing_page(view, csr)
        if challenge is None or not view.refused:
            continue
        if page is not None and page.page is not None and not page.page.reusable:
            minutes = page.page.minutes or _DEFAULT_MINUTES
            given = page.http.response
            age = (view.http.time_ns or 0) - ((given.time_ns if given is not None else None) or page.http.time_ns or 0)
            if age > minutes * 60 * 1_000_000_000:
                yield Evidence(
                    f"The challengePassword was given {seconds(age)} before (frame {answer_frame(page.http)}) and is good for {minutes} minutes.",
                    (
                        _challenge_fact(view, challenge),
                        Fact(answer_frame(page.http), "mscep_admin", f"good for {minutes} minutes"),
                    ),
                )
                continue
        if page is not None and page.page is not None and page.page.reusable:
            continue
        earlier = next(
            (
                each
                for each in view.memory.attempts
                if each.challenge == challenge.value
                and (each.time_ns, each.frame) < (view.http.time_ns or 0, view.http.frame)
                and each.server == view.http.server
                and view.request is not None
                and each.message != view.request.sha256
            ),
            None,
        )
        # A static password serves many devices; a one-time password that was good once and is refused now is used up.
        if earlier is not None and len(challenge.value) <= _BLOB and (earlier.key == _key(view) or earlier.status == 0):
            yield Evidence(
                f"The challengePassword was used before, in frame {earlier.frame}.",
                (_challenge_fact(view, challenge), Fact(earlier.frame, "PKCS#10.challengePassword", "the same")),
            )


def _key(view: View) -> str | None:
    signer = view.request.signer if view.request is not None else None
    return signer.public_key.fingerprint if signer is not None and signer.public_key is not None else None


@rule.csr(ERROR, "learn.microsoft.com, NDES, Password cache", strength=INFERRED)
def csr_challenge_other_server(view: View, content: Content) -> Found:
    """The challenge password comes from another server.

    Seen: The administration page of one server gave it, the request goes to another one.
    Why: A load balancer: each NDES keeps its own passwords, in memory.
    Do: Send both to one server (sticky sessions), or use one server for enrollments.
    Not: A wrong password: it is the one that the page gave.
    """
    for csr in _csr(content):
        page = _issuing_page(view, csr)
        if (
            page is not None
            and csr.challenge_password is not None
            and page.http.server.address != view.http.server.address
            and view.refused
        ):
            yield Evidence(
                f"The challengePassword was given by {page.http.server} (frame {answer_frame(page.http)}), the request goes to {view.http.server}.",
                (
                    _challenge_fact(view, csr.challenge_password),
                    Fact(answer_frame(page.http), "ip.src", str(page.http.server)),
                ),
            )


@rule.csr(WARNING, "smallstep/certificates#2796", strength=INFERRED)
def csr_challenge_unexpected(view: View, content: Content) -> Found:
    """A challenge password where the server wants none.

    Seen: A challengePassword in a refused request, while requests without one succeed at the same server.
    Why: Cisco always asks for one (its prompt is about revocation).
    Do: Let the server ignore it, or leave it empty on the client.
    Not: A wrong password where the server wants one.
    """
    for csr in _csr(content):
        if csr.challenge_password is None or not view.refused:
            continue
        without = next(
            (
                each
                for each in view.memory.attempts
                if each.server == view.http.server
                and each.status == 0
                and each.csr_key is not None
                and each.challenge is None
            ),
            None,
        )
        if without is not None:
            yield Evidence(
                f"The server refuses a request with a challengePassword; in frame {without.frame} it took one without.",
                (
                    _challenge_fact(view, csr.challenge_password),
                    Fact(without.frame, "PKCS#10.challengePassword", "absent, SUCCESS"),
                ),
            )


@rule.capture(WARNING, "smallstep/certificates#1312", needs="ra")
def csr_challenge_reused_across_devices(view: CaptureView) -> Found:
    """Several devices use one challenge password.

    Seen: The same challengePassword in requests for different keys.
    Why: A static password.
    Do: Give each device its own: who knows the static one can have any certificate.
    Not: Retries of one device.
    """
    seen: dict[str, dict[str, int]] = {}
    devices: dict[str, set[tuple[str, str | None]]] = {}
    for each in view.memory.attempts:
        if each.challenge and each.csr_key and not each.leg:
            seen.setdefault(each.challenge, {}).setdefault(each.csr_key, each.frame)
            devices.setdefault(each.challenge, set()).add((each.client, each.subject))
    for challenge, keys in seen.items():
        if len(keys) > 1 and len(devices[challenge]) > 1:  # a device that renews has a new key
            frames = list(keys.values())
            yield Evidence(
                f"One challengePassword of {len(challenge)} characters is in requests for {len(keys)} different keys.",
                tuple(Fact(frame, "PKCS#10.challengePassword", "the same value") for frame in frames[:4]),
            )


@rule.csr(INFO, "learn.microsoft.com, Use APIs to add third-party CAs for SCEP to Intune")
def csr_challenge_blob(view: View, content: Content) -> Found:
    """The challenge password is a long encoded text.

    Seen: A base64 text of more than 256 characters.
    Why: Intune puts an encrypted and signed description of the request into it.
    Do: Nothing. It explains a long URL.
    Not: A password that somebody typed.
    """
    for csr in _csr(content):
        challenge = csr.challenge_password
        if challenge is not None and len(challenge.value) > _BLOB and _is_base64(challenge.value):
            yield Evidence(
                f"The challengePassword is a base64 text of {len(challenge.value):,} characters, as Intune makes it.",
                (_challenge_fact(view, challenge),),
            )


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value.strip() + "=" * (-len(value.strip()) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


@rule.csr(ERROR, "Gradenegger, events 31 and 87", strength=INFERRED)
def csr_key_short(view: View, content: Content) -> Found:
    """The key in the request is shorter than templates allow.

    Seen: RSA with less than 2048 bits, and a refusal.
    Why: The device's default.
    Do: Make a longer key, or lower the template's minimum (0x80094811 says so).
    Not: A fault where the server issues the certificate.
    """
    for csr in _csr(content):
        key = csr.public_key
        if key is not None and key.algorithm.startswith("rsa") and key.bits is not None and key.bits < 2048:
            yield Evidence(
                f"The request is for an RSA key of {key.bits} bits.",
                (view.q("PKCS#10.subjectPKInfo", f"RSA {key.bits}"),),
                severity=None if view.refused else Severity.WARNING,
            )


@rule.csr(WARNING, "RFC 5280, Section 4.1.2.6")
def csr_subject_empty(view: View, content: Content) -> Found:
    """The request names nobody.

    Seen: An empty subject and no subjectAltName.
    Why: The profile has no subject, or its variables were empty.
    Do: Set a subject or a subjectAltName.
    Not: A fault where the server fills it in.
    """
    for csr in _csr(content):
        if not csr.subject and not csr.subject_alt_names:
            yield Evidence("The request has neither subject nor subjectAltName.", (view.q("PKCS#10.subject", "empty"),))


_LIMITS = {"CN": 64, "O": 64, "OU": 64, "L": 128, "ST": 128, "C": 2, "SERIALNUMBER": 64, "EMAILADDRESS": 255}


@rule.csr(ERROR, "RFC 5280, Appendix A.1", "Gradenegger, event 31", strength=INFERRED)
def csr_subject_too_long(view: View, content: Content) -> Found:
    """A part of the subject is too long.

    Seen: A commonName of more than 64 characters, or another part over its limit.
    Why: Variables of the profile expanded to long names.
    Do: Shorten it; the CA answers with 0x80094001.
    Not: A fault where the CA does not enforce the limits.
    """
    for csr in _csr(content):
        for part in re.split(r"(?<!\\)[,+]", csr.subject):
            name, _, value = part.partition("=")
            limit = _LIMITS.get(name.strip().upper())
            if limit is not None and len(value) > limit:
                yield Evidence(
                    f"{name.strip()} has {len(value)} characters, its limit is {limit}: {shown(value, 40)}.",
                    (view.q(f"PKCS#10.subject.{name.strip()}", f"{len(value)} characters"),),
                    severity=None if view.refused else Severity.WARNING,
                )


@rule.csr(WARNING, "RFC 6125, Section 2.3")
def csr_san_missing(view: View, content: Content) -> Found:
    """The request asks for no subjectAltName.

    Seen: A request for a server or user certificate without subjectAltName, or one that the server refused for that.
    Why: The client cannot ask for one, or the form of its extensions was dropped.
    Do: Add a subjectAltName: browsers, EAP-TLS and VPNs look there.
    Not: A fault where the CA adds it.
    """
    refused_for_it = view.reply is not None and view.reply.hresult in (0x80094803, 0x8009480D, 0x8009480F, 0x80094812)
    for csr in _csr(content):
        wants = set(csr.extended_key_usage or ()) & {"serverAuth", "ipsecIKE", "smartcardLogon"}
        if not csr.subject_alt_names and (wants or refused_for_it):
            yield Evidence(
                f"The request asks for {', '.join(sorted(wants)) or 'a certificate'} and no subjectAltName"
                + (", which the CA demands." if refused_for_it else "."),
                (view.q("PKCS#10.subjectAltName", "absent"),),
                severity=Severity.ERROR if refused_for_it else None,
            )


@rule.csr(WARNING, "RFC 5280, Section 4.2.1.6")
def csr_san_wrong_form(view: View, content: Content) -> Found:
    """A subjectAltName is of the wrong kind.

    Seen: An address, a user name or a URI as DNS name, and the like.
    Why: The profile's field was filled with another kind of name.
    Do: Use the kind that fits: IP, UPN, URI, email.
    Not: A name that does not exist.
    """
    for csr in _csr(content):
        for each in csr.subject_alt_names:
            kind, _, value = each.partition(":")
            wrong = None
            if kind == "DNS":
                wrong = (
                    "a URI"
                    if "://" in value or value.startswith("tag:")
                    else "a user or mail name"
                    if "@" in value
                    else "an address"
                    if _is_address(value)
                    else None
                )
                wrong = wrong or ("a name with a blank" if " " in value else None)
            elif kind == "email" and "@" not in value:
                wrong = "no mail address"
            elif kind == "UPN" and "@" not in value:
                wrong = "no user principal name"
            if wrong is not None:
                yield Evidence(
                    f"The subjectAltName {shown(each)} is {wrong}.", (view.q("PKCS#10.subjectAltName", each),)
                )


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


@rule.csr(INFO, "MicrosoftDocs/windows-itpro-docs#8899")
def csr_keyusage_picks_template(view: View, content: Content) -> Found:
    """The requested keyUsage picks NDES's template.

    Seen: Always: the keyUsage asked for and the registry value that NDES then uses.
    Why: NDES has three templates in its registry and chooses by keyUsage.
    Do: Put the template's name into that value under HKLM\\Software\\Microsoft\\Cryptography\\MSCEP.
    Not: A fault.
    """
    for csr in _csr(content):
        usage = set(csr.key_usage or ())
        signs, encrypts = "digitalSignature" in usage, bool(usage & {"keyEncipherment", "dataEncipherment"})
        value = (
            "SignatureTemplate"
            if signs and not encrypts
            else "EncryptionTemplate"
            if encrypts and not signs
            else "GeneralPurposeTemplate"
        )
        asked = ", ".join(csr.key_usage) if csr.key_usage else "no keyUsage"
        if view.is_ndes:
            yield Evidence(
                f"The request asks for {asked}: NDES uses the template in {value}.",
                (view.q("PKCS#10.keyUsage", asked),),
            )


@rule.csr(INFO, "learn.microsoft.com, NDES in AD CS")
def csr_template_ignored(view: View, content: Content) -> Found:
    """The template in the request does not count.

    Seen: A certificateTemplateName or certificateTemplate extension.
    Why: The client's profile names a template.
    Do: Set it in NDES's registry: NDES chooses by keyUsage.
    Not: A fault.
    """
    for csr in _csr(content):
        for each in (*csr.extensions, *csr.attributes):
            if each.oid in _TEMPLATES:
                yield Evidence(
                    f"The request names the template {shown(each.value)}; NDES chooses by its registry.",
                    (view.q(f"PKCS#10.{each.name or each.oid}", each.value),),
                )


@rule.csr(INFO, "RFC 5280, Section 4.2.1.12")
def csr_eku_missing(view: View, content: Content) -> Found:
    """The request asks for no purpose.

    Seen: No extendedKeyUsage in the request.
    Why: The client leaves it to the CA.
    Do: Nothing where the template sets it.
    Not: A fault.
    """
    for csr in _csr(content):
        if csr.extended_key_usage is None:
            yield Evidence(
                "The request asks for no extendedKeyUsage; the CA's template decides.",
                (view.q("PKCS#10.extendedKeyUsage", "absent"),),
            )


@rule.csr(WARNING, "support.microsoft.com, KB5014754")
def csr_sid_absent(view: View, content: Content) -> Found:
    """The request carries no SID for strong mapping.

    Seen: A request for a Windows logon (a UPN and clientAuth or smartcardLogon) without a SID, as a URI or an extension.
    Why: An old Intune connector or profile.
    Do: Update the connector and add the SID to the profile: domain controllers refuse such certificates since KB5014754.
    Not: A fault for certificates that do not log on to Windows.
    """
    for csr in _csr(content):
        upn = any(each.startswith("UPN:") for each in csr.subject_alt_names)
        usage = set(csr.extended_key_usage or ())
        sid = any(_SID_URI in each for each in csr.subject_alt_names) or any(
            each.oid == _SID for each in csr.extensions
        )
        if upn and usage & _USERS and not sid:
            yield Evidence(
                "The request asks for a UPN and for client authentication, without a SID.",
                (view.q("PKCS#10.subjectAltName", ", ".join(csr.subject_alt_names)),),
            )


@rule.csr(WARNING, "ANSSI-FR/ORADAD#15", "CERT VU#971035")
def csr_requests_identity(view: View, content: Content) -> Found:
    """The requester names the identity that the certificate will stand for.

    Seen: A UPN or SID in a request for client authentication.
    Why: The template says "supply in the request".
    Do: Let a policy module check the names, or limit who may enroll: who has a challenge password may become anyone.
    Not: A fault where the MDM vouches for the request.
    """
    for csr in _csr(content):
        identities = [each for each in csr.subject_alt_names if each.startswith("UPN:") or _SID_URI in each]
        if identities and set(csr.extended_key_usage or ()) & _USERS:
            blob = csr.challenge_password is not None and len(csr.challenge_password.value) > _BLOB
            yield Evidence(
                f"The request itself names the identity {shown(', '.join(identities))} for client authentication.",
                (view.q("PKCS#10.subjectAltName", ", ".join(identities)),),
                severity=Severity.INFO if blob else None,
            )


@rule.csr(WARNING, "certnanny/sscep, README")
def csr_old_extension_carrier(view: View, content: Content) -> Found:
    """The extensions are in an old attribute.

    Seen: The extensions asked for are in VeriSign's or Microsoft's attribute, not in PKCS #9's extensionRequest.
    Why: The client's age or make.
    Do: Use extensionRequest (1.2.840.113549.1.9.14); some CAs drop the others.
    Not: A fault at Microsoft's CA.
    """
    for csr in _csr(content):
        for oid, name in ((_MS_CARRIER, "Microsoft's"), (_VERISIGN_CARRIER, "VeriSign's")):
            if oid in csr.attribute_types:
                yield Evidence(
                    f"The extensions asked for are in {name} attribute {oid}.", (view.q("PKCS#10.attributes", oid),)
                )


@rule.csr(WARNING, "RFC 2986, Section 4.1")
def csr_attribute_duplicate(view: View, content: Content) -> Found:
    """An attribute of the request stands there twice.

    Seen: The same attribute more than once in the PKCS #10 request.
    Why: A tool added it again.
    Do: Make the request anew; which one counts is not defined.
    Not: Several values that belong together.
    """
    for csr in _csr(content):
        for oid in sorted(set(csr.attribute_types)):
            times = csr.attribute_types.count(oid)
            if times > 1 and oid not in _MULTIPLE:
                yield Evidence(
                    f"The attribute {oid} stands in the request {times} times.",
                    (view.q("PKCS#10.attributes", f"{oid}, {times} times"),),
                )


@rule.csr(ERROR, "RFC 8894, Section 3.3.3")
def poll_issuer_subject_mismatch(view: View, content: Content) -> Found:
    """The poll asks for names that are not those of the request.

    Seen: The issuer in IssuerAndSubject is no CA that the server offers, or its subject is not that of the pending request.
    Why: The client takes the RA's name for the CA's; the old drafts differ.
    Do: Mend the client; servers that go by the transactionID answer all the same.
    Not: A lost request.
    """
    if content.kind != "issuer-and-subject" or view.transaction is None:
        return
    cas = {certificate.subject for certificate, _ in view.offered.values() if certificate.is_ca}
    pending = [
        each.request
        for each in view.transaction.exchanges
        if each.request is not None and each.request.message_type == MessageType.PKCSReq
    ]
    subjects = set()
    for message in pending:
        inside = message.envelope.content if message.envelope is not None else None
        if inside is not None and inside.csr is not None:
            subjects.add(inside.csr.subject)
    if content.subject in cas and (content.issuer in subjects or content.issuer == view.transaction.subject):
        yield Evidence(
            f"The poll has issuer and subject swapped: it names {shown(content.issuer or '')} as the issuer, which is the requester, and the CA "
            f"{shown(content.subject or '')} as the subject.",
            (
                view.q("IssuerAndSubject.issuer", content.issuer),
                view.q("IssuerAndSubject.subject", content.subject),
            ),
            severity=None if view.failed else Severity.WARNING,
            title="The poll has issuer and subject swapped",
        )
    elif cas and content.issuer not in cas:
        yield Evidence(
            f"The poll names the issuer {shown(content.issuer or '')}; the server's CAs are {shown('; '.join(sorted(cas)))}.",
            (view.q("IssuerAndSubject.issuer", content.issuer),),
            severity=None if view.failed else Severity.WARNING,
        )
    elif subjects and content.subject not in subjects:
        yield Evidence(
            f"The poll names the subject {shown(content.subject or '')}; the request was for {shown('; '.join(sorted(subjects)))}.",
            (view.q("IssuerAndSubject.subject", content.subject),),
            severity=None if view.failed else Severity.WARNING,
        )
