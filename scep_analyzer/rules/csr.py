"""The decrypted content of a request; these rules need the private key of the RA or CA (RFC 8894, Section 3.3.1)."""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address

from scep_analyzer.model.content import ChallengePassword, Content, Csr
from scep_analyzer.model.findings import Evidence, Fact, NotChecked, Severity
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import Bystander, FailInfo, MessageType
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View, answer_frame
from scep_analyzer.rules._words import count, long, quoted, shown
from scep_analyzer.rules.requester import is_renewal

_PLACEHOLDERS = lazily(
    r"\{\{.*?\}\}|\$\(?\w*[A-Z_]{3,}|%[A-Za-z]+%|<[A-Za-z _-]+>|\$[{(]\w+[})]",
    re.IGNORECASE,
)
_USUAL_WORDS = lazily(r"(?:cisco|password|challenge|changeme|secret)$", re.IGNORECASE)
"""Each of these may be a placeholder, or a password that somebody chose."""
_QUOTES = "\"'`“”‘’"
_BLOB = 256
_CERTSRV = 0x80094000
"""The first digits of the HRESULTs of the certification authority (CERTSRV_E_…)."""
_MS_CARRIER, _VERISIGN_CARRIER = "1.3.6.1.4.1.311.2.1.14", "2.16.840.1.113733.1.9.8"
_TEMPLATES = frozenset({"1.3.6.1.4.1.311.20.2", "1.3.6.1.4.1.311.21.7"})
_SID = "1.3.6.1.4.1.311.25.2"
_SID_URI = "tag:microsoft.com,2022-09-14:sid:"
_MULTIPLE = frozenset({"1.3.6.1.4.1.311.13.2.1", "1.3.6.1.4.1.311.13.2.2", "1.2.840.113549.1.9.2"})
"""Attributes that may appear several times in one request."""
_DEFAULT_MINUTES = 60
_USERS = frozenset({"clientAuth", "smartcardLogon"})


def _challenge_fact(view: View, challenge: ChallengePassword) -> Fact:
    return view.q(
        "PKCS#10.challengePassword", f"({challenge.string_type} of {count(len(challenge.value), 'character')})"
    )


def _initial(view: View) -> bool:
    """Whether this asks for a first certificate."""
    return (
        view.request is not None and view.request.message_type == MessageType.PKCSReq and not is_renewal(view.request)
    )


@rule.request(ERROR, "RFC 5652, Section 6", needs="ra")
def inner_decrypt_fails(view: View, message: object) -> Found:
    """The private key of the recipient does not decrypt the request.

    Seen: The given private key belongs to the certificate that the request is encrypted for, but the content key or the padding is wrong
    after decryption.
    Why: The client encrypted the content key with another public key and named this certificate as the recipient.
    Why: Bytes of the message were changed on the way, or the client mixes RSA-OAEP and PKCS #1 v1.5.
    Do: On the client, fetch the CA certificates again (GetCACert) and enroll again.
    Not: A wrong key given to this program: the key belongs to the recipient's certificate.
    """
    del message
    envelope = view.request.envelope if view.request is not None else None
    if envelope is None or envelope.content is not None:
        return
    if envelope.problem is None:
        yield NotChecked("no RA key given")
    elif not envelope.key_fits:
        yield NotChecked("none of the given keys decrypts the request")
    else:
        yield Evidence(
            f"The private key of the recipient does not decrypt the request: {envelope.problem.rstrip('.')}.",
            (view.q("EnvelopedData", envelope.problem),),
        )


@rule.csr(ERROR, "RFC 8894, Section 3.3.1", "micromdm/scep#224")
def inner_not_pkcs10(view: View, content: Content) -> Found:
    """The decrypted request contains no valid PKCS #10 request.

    Seen: The messageType asks for a certificate, but the decrypted content is something else.
    Seen: The decrypted content is a PKCS #10 request without the SEQUENCE around its three parts.
    Why: The client encrypts the wrong file, or puts another structure around the PKCS #10 request.
    Why: .NET leaves out the outer SEQUENCE where the type of the encrypted content is not id-data.
    Do: On the client, encrypt the DER of the PKCS #10 request and nothing else. If the client builds the message itself, update the client.
    Not: A wrong key: the request can be decrypted.
    """
    kind = view.request.message_type if view.request is not None else None
    if kind not in (MessageType.PKCSReq, MessageType.RenewalReq, MessageType.UpdateReq):
        return
    if content.lacks_sequence:
        yield Evidence(
            f"The decrypted request is {count(content.length, 'byte')} long and a PKCS #10 request without its outer SEQUENCE.",
            (view.q("messageData", "the SEQUENCE of RFC 2986, Section 4.2 is missing"),),
        )
    elif content.csr is None:
        yield Evidence(
            f"The decrypted request is {count(content.length, 'byte')} long and of type {content.kind}; a PKCS #10 request is expected.",
            (view.q("messageData", content.kind),),
        )


def _csr(content: Content) -> Iterator[Csr]:
    if content.csr is not None:
        yield content.csr


@rule.csr(ERROR, "RFC 2986, Section 4.2")
def csr_signature_bad(view: View, content: Content) -> Found:
    """The signature of the PKCS #10 request is invalid.

    Seen: The signature inside the PKCS #10 request does not match the public key in it.
    Why: The PKCS #10 request was changed after it was signed, for example to add the challenge password.
    Why: The PKCS #10 request was signed with another private key.
    Do: On the client, create the PKCS #10 request again, with all its attributes, and sign it with the private key of its public key.
    Not: The signature of the SCEP message, which is a different signature.
    """
    for csr in _csr(content):
        if csr.signature.valid is False:
            yield Evidence(
                f"The signature of the PKCS #10 request is invalid: it {csr.signature.reason}.",
                (view.q("PKCS#10.signature", csr.signature.reason),),
            )


@rule.csr(ERROR, "RFC 8894, Section 2.3")
def csr_key_differs_from_signer(view: View, content: Content) -> Found:
    """The PKCS #10 request and the message are signed with different keys.

    Seen: The public key in the PKCS #10 request is not the public key of the self-signed certificate that signs the SCEP message.
    Why: The key, the PKCS #10 request and the self-signed certificate belong to different devices or to different attempts.
    Matters: RFC 8894, Section 2.3 recommends the same key for both. Some servers refuse the request otherwise.
    Do: On the client, delete the old key, PKCS #10 request and self-signed certificate, and create all three again with one key.
    Not: A fault in a renewal: there, a new key in the PKCS #10 request is correct.
    """
    signer = view.request.signer if view.request is not None else None
    for csr in _csr(content):
        if signer is None or signer.public_key is None or csr.public_key is None or not signer.self_issued:
            continue
        if signer.public_key.encoded != csr.public_key.encoded:
            yield Evidence(
                f"The PKCS #10 request is for the key {csr.public_key.fingerprint[:16]}…, but the message is signed with the key "
                f"{signer.public_key.fingerprint[:16]}….",
                (
                    view.q("PKCS#10.subjectPKInfo", csr.public_key.fingerprint),
                    view.q("signer.subjectPublicKey", signer.public_key.fingerprint),
                ),
                severity=None if view.failed or view.answer is None else Severity.INFO,
            )


@rule.csr(WARNING, "RFC 8894, Section 2.3", "openxpki/openxpki#360")
def csr_subject_differs_from_signer(view: View, content: Content) -> Found:
    """The PKCS #10 request and the signing certificate have different subjects.

    Seen: The subject of the PKCS #10 request is not the subject of the self-signed certificate that signs the SCEP message.
    Why: Cisco devices add unstructuredName to only one of the two subjects. Go clients sign with a certificate for CN=SCEP SIGNER.
    Matters: RFC 8894, Section 2.3 recommends equal subjects. A server that compares them refuses the request.
    Do: On the client, use the same subject for the self-signed certificate, or turn off this comparison on the server. Turning it off costs
    little: a self-signed certificate proves no identity.
    Not: A fault on servers that do not compare the two subjects.
    """
    signer = view.request.signer if view.request is not None else None
    for csr in _csr(content):
        if signer is not None and signer.self_issued and signer.subject != csr.subject:
            yield Evidence(
                f"The PKCS #10 request is for {shown(csr.subject)}, but the message is signed by {shown(signer.subject)}.",
                (view.q("PKCS#10.subject", csr.subject), view.q("signer.subject", signer.subject)),
                severity=None if view.refused else Severity.INFO,
            )


@rule.csr(ERROR, "RFC 8894, Section 2.4", "RFC 8894, Section 3.3.1", "certnanny/sscep#46")
def csr_challenge_missing(view: View, content: Content) -> Found:
    """The request contains no challenge password.

    Seen: A first enrollment whose PKCS #10 request has no challengePassword attribute.
    Why: The challenge password is empty in the settings of the client or in the profile of the MDM.
    Why: The tool that created the PKCS #10 request does not add the attribute.
    Why: The request is meant as a renewal, but the server treats it as a first enrollment.
    Matters: Without a challenge password, servers refuse the request or wait for an administrator to approve it (RFC 8894, Section 2.4).
    Else: On the client, set the challenge password that the administrator of the CA gives out, and enroll again.
    Do (ndes): Open `https://NDES-SERVER/certsrv/mscep_admin/`, get a new challenge password, set it on the client and enroll again.
    Do (step-ca): On the client, set the challenge of the provisioner. To change it on the CA: `step ca provisioner update NAME --challenge
    CHALLENGE`.
    Do (micromdm): On the client, set the challenge that scepserver was started with (`-challenge` or `SCEP_CHALLENGE_PASSWORD`).
    Do (ejbca): On the client, set the password of the end entity. To change it: `bin/ejbca.sh ra setpwd --username USER --password
    PASSWORD`.
    Do (openxpki): On the client, set the value from `challenge: value:` in `config.d/realm/REALM/scep/ENDPOINT.yaml`.
    Do (scepman): In the MDM, set the challenge to the value of `AppConfig:StaticValidation:RequestPassword`.
    Do (dogtag): On the CA, add a `UID:` line with the address of the client and a `PWD:` line with the challenge to `conf/ca/flatfile.txt`,
    and set the same challenge on the client.
    Do (xipki): On the client, set the challenge password to `USER:PASSWORD` of a requestor.
    Do (ucm): On the client, set the challenge password of the SCEP settings. `UCM_SCEP_ALLOW_NO_CHALLENGE` turns the check off: then anyone
    who reaches the server can enroll.
    Do (ios-ca): On the CA, run `crypto pki server CS password generate`, and set this password on the client.
    Do (fortiauthenticator): Open Certificate Management > SCEP > Enrollment Requests, and set the password of the matching entry on the
    client.
    Do (ios-client, cisco-wlc): In the trustpoint, set `password 0 CHALLENGE`, then run `crypto pki enroll TRUSTPOINT`.
    Do (junos): On the device, add `challenge-password CHALLENGE` to `request security pki local-certificate enroll`.
    Do (sscep): On the client, add challengePassword to the [req_attributes] section of openssl.cnf and create the PKCS #10 request again.
    Do (strongswan): On the client, add `--password CHALLENGE` to `pki --scep`.
    Do (apple): In the MDM, fill in Challenge in the SCEP payload and push the profile again.
    Not: A fault on servers that do not require a challenge password.
    """
    for csr in _csr(content):
        if csr.challenge_password is None and _initial(view) and not _past_the_challenge(view):
            yield Evidence(
                f"The request for {shown(csr.subject)} contains no challengePassword"
                + (", and the server refuses it." if view.refused else "."),
                (view.q("PKCS#10.challengePassword", "absent"),),
                severity=None if view.refused else Severity.INFO,
            )


def _past_the_challenge(view: View) -> bool:
    """Whether the RA accepted the request without a challenge password: an error code of the CA (CERTSRV_E_…) proves it."""
    return view.reply is not None and view.reply.hresult is not None and view.reply.hresult & 0xFFFFF000 == _CERTSRV


@rule.csr(ERROR, "gist.github.com, MattRK/5485448")
def csr_challenge_unclean(view: View, content: Content) -> Found:
    """The challenge password contains characters that do not belong to it.

    Seen: A space or a line end at the beginning or end, quotation marks, a placeholder, or a variable that was not replaced.
    Why: The password was copied together with the characters around it.
    Why: The MDM did not replace the variable in the profile.
    Do: On the client, enter the challenge password again, without spaces and quotation marks. In an MDM profile, correct the variable.
    Do (ios-client, cisco-wlc): In the trustpoint, set `password 0 CHALLENGE` without a space at its end, then run `crypto pki enroll
    TRUSTPOINT`.
    Do (fleet): In Fleet, use a challenge of letters and digits only: Windows refuses other characters.
    Not: A wrong password without such characters is not detected here.
    """
    for csr in _csr(content):
        challenge = csr.challenge_password
        if challenge is None or len(challenge.value) > _BLOB:
            continue
        value = challenge.value
        what = [
            name
            for name, found in (
                ("begins or ends with a space or a line end", value != value.strip()),
                ("contains a line end or another control character", any(each < " " for each in value.strip())),
                ("is in quotation marks", len(value) > 1 and value[0] in _QUOTES and value[-1] in _QUOTES),
                ("looks like a placeholder", bool(_PLACEHOLDERS.search(value))),
                ("is empty", value == ""),
            )
            if found
        ]
        guess = not what and _USUAL_WORDS.match(value) is not None
        if guess:
            what = ["is a word that is often used as a placeholder"]
        if what:
            yield Evidence(
                f"The challengePassword ({count(len(value), 'character')}) {' and '.join(what)}.",
                (_challenge_fact(view, challenge),),
                severity=None if view.refused and not guess else Severity.WARNING,
                strength=POSSIBLE if guess else None,
                title=f"The challenge password {what[0]}",
            )


@rule.csr(
    ERROR,
    "RFC 2985, Section 5.4.1",
    "certnanny/sscep#59",
    "certnanny/sscep#83",
    "certnanny/sscep#156",
    strength=INFERRED,
)
def csr_challenge_encoding(view: View, content: Content) -> Found:
    """NDES may not accept this string type of the challenge password.

    Seen: NDES refuses a request whose challengePassword is not a PrintableString, with badMessageCheck, or with badRequest and 0x80070057.
    Why: Public reports describe that NDES accepted the same challenge password as a PrintableString. RFC 2985, Section 5.4.1 prefers
    PrintableString.
    Why: OpenSSL writes the challengePassword as a UTF8String by default.
    Matters: The cause is not certain: NDES refuses a wrong, expired or used challenge password in the same way.
    Do: Get a new challenge password from `https://NDES-SERVER/certsrv/mscep_admin/` and enroll again.
    Do: On a client with OpenSSL, if the new password is refused too: set `string_mask = nombstr` in the [req] section of openssl.cnf. The
    subject can then no longer contain UTF-8 characters.
    Not: Proof that the string type is the cause.
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
                f"The challengePassword is a {challenge.string_type}, and NDES refuses the request with {FailInfo(reply.fail_info).name}.",
                (_challenge_fact(view, challenge), view.a("signedAttrs.failInfo", str(reply.fail_info))),
                title=f"NDES may not accept the challenge password as a {challenge.string_type}",
            )


def _pages(view: View | CaptureView) -> Iterator[Bystander]:
    return (
        each for each in view.scene.bystanders if each.kind == "admin" and each.page is not None and each.page.challenge
    )


def _issuing_page(view: View, csr: Csr) -> Bystander | None:
    """The last administration page before this request that issued its challenge password."""
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
    """The challenge password has expired or was already used.

    Seen: The administration page issued the challenge password longer ago than its lifetime, or an earlier request contains the same
    challenge password.
    Why: The server issues one-time passwords: each is valid for one request and for a limited time.
    Why: The client enrolls again with the password of an earlier attempt.
    Else: On the client, set a new challenge password and enroll again.
    Do (ndes): Open `https://NDES-SERVER/certsrv/mscep_admin/`, get a new challenge password and enroll again within 60 minutes (the default
    lifetime).
    Do (intune, scepman): On the device, start a synchronisation with Intune: the device then gets a new challenge.
    Do (ejbca): On the CA, run `bin/ejbca.sh ra setendentitystatus --username USER -S 10` and `bin/ejbca.sh ra setpwd --username USER
    --password PASSWORD`, then enroll again.
    Do (dogtag): On the CA, write the entry in `conf/ca/flatfile.txt` again: Dogtag removes it when it is used.
    Do (digicert): In DigiCert, create a new enrollment code for the seat and enroll again.
    Do (ucm): In Ultimate CA Manager, generate the challenge password again (it is valid for 24 hours) and set it on the client.
    Do (ios-client, cisco-wlc): In the trustpoint, set the new password with `password 0 CHALLENGE`, then run `crypto pki enroll
    TRUSTPOINT`.
    Not: A wrong challenge password: the server issued or accepted it before.
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
                    f"The challengePassword was issued {long(timedelta(microseconds=age // 1000))} before this request ("
                    f"{called(answer_frame(page.http))}) and is valid for {count(minutes, 'minute')}.",
                    (
                        _challenge_fact(view, challenge),
                        Fact(answer_frame(page.http), "mscep_admin", f"good for {minutes} minutes"),
                    ),
                    title=f"The challenge password has expired (valid for {count(minutes, 'minute')})",
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
                f"The challengePassword was already used in {called(earlier.frame)}, in another request.",
                (_challenge_fact(view, challenge), Fact(earlier.frame, "PKCS#10.challengePassword", "the same")),
                title=f"The challenge password was already used ({called(earlier.frame)})",
            )


def _key(view: View) -> str | None:
    signer = view.request.signer if view.request is not None else None
    return signer.public_key.fingerprint if signer is not None and signer.public_key is not None else None


@rule.csr(ERROR, "learn.microsoft.com, NDES, Password cache", strength=INFERRED)
def csr_challenge_other_server(view: View, content: Content) -> Found:
    """The challenge password was issued by another server.

    Seen: The administration page of one server issued the challenge password, but the request goes to another server.
    Why: A load balancer sends the two to different servers, and each server knows only the challenge passwords that it issued itself.
    Do: On the load balancer, turn on sticky sessions so that the administration page and the enrollment reach the same server, or use one
    server for enrollments.
    Not: A wrong challenge password: the other server issued it.
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
                f"The challengePassword was issued by {page.http.server} ({called(answer_frame(page.http))}), but the request goes to "
                f"{view.http.server}.",
                (
                    _challenge_fact(view, csr.challenge_password),
                    Fact(answer_frame(page.http), "ip.src", str(page.http.server)),
                ),
                title=f"The challenge password was issued by another server ({page.http.server.address})",
            )


@rule.csr(WARNING, "smallstep/certificates#2796", strength=INFERRED)
def csr_challenge_unexpected(view: View, content: Content) -> Found:
    """The server may not expect the challenge password in the request.

    Seen: The server refuses a request that contains a challengePassword, but accepts requests without one.
    Why: The server is configured without a challenge password and refuses a request that contains one.
    Why: Cisco devices always ask for a challenge password; their prompt describes it as a password for revocation.
    Else: On the client, leave the challenge password empty, or configure the same challenge password on the server.
    Do (step-ca): On the CA, set the challenge that the client sends: `step ca provisioner update NAME --challenge CHALLENGE`. Cisco IOS
    sends one even if none is set.
    Not: A wrong challenge password on a server that requires one.
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
                f"The server refuses this request with a challengePassword, but it accepted a request without one in {called(without.frame)}.",
                (
                    _challenge_fact(view, csr.challenge_password),
                    Fact(without.frame, "PKCS#10.challengePassword", "absent, SUCCESS"),
                ),
            )


@rule.capture(WARNING, "smallstep/certificates#1312", needs="ra")
def csr_challenge_reused_across_devices(view: CaptureView) -> Found:
    """Several devices use the same challenge password.

    Seen: The same challengePassword is in requests for different keys.
    Why: The server or the profile of the MDM uses one static challenge password.
    Matters: Anyone who knows the static challenge password can get a certificate.
    Else: On the server, use a one-time challenge password for each device.
    Do (ndes): On the NDES server, set `UseSinglePassword` under `HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP` to 0, then run `iisreset`.
    Each device then needs its own password from `/certsrv/mscep_admin/`.
    Do (step-ca): On the CA, add a SCEPCHALLENGE webhook to the provisioner that checks a challenge for each device.
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
                f"The same challengePassword ({count(len(challenge), 'character')}) is in requests for {len(keys)} different keys.",
                tuple(Fact(frame, "PKCS#10.challengePassword", "the same value") for frame in frames[:4]),
                title=f"The same challenge password is used for {len(keys)} different keys",
            )


@rule.csr(INFO, "learn.microsoft.com, Use APIs to add third-party CAs for SCEP to Intune")
def csr_challenge_blob(view: View, content: Content) -> Found:
    """The challenge password is a long encoded text, as Intune creates it.

    Seen: The challengePassword is a base64 text of more than 256 characters.
    Why: Intune puts a signed and encrypted description of the expected request into it.
    Matters: It makes a request by GET very long, so that the URL can exceed the limits of servers and proxies.
    Do: No action is needed.
    Not: A challenge password that a person typed.
    """
    for csr in _csr(content):
        challenge = csr.challenge_password
        if challenge is not None and len(challenge.value) > _BLOB and _is_base64(challenge.value):
            yield Evidence(
                f"The challengePassword is a base64 text of {len(challenge.value):,} characters, as Intune creates it.",
                (_challenge_fact(view, challenge),),
            )


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value.strip() + "=" * (-len(value.strip()) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


@rule.csr(ERROR, "NIST SP 800-131A", "Gradenegger, events 31 and 87", strength=INFERRED)
def csr_key_short(view: View, content: Content) -> Found:
    """The RSA key in the request is shorter than 2048 bits.

    Seen: An RSA key of less than 2048 bits in the PKCS #10 request.
    Why: The default key size of the device or of its profile is small.
    Matters: Most certificate templates and profiles require at least 2048 bits. A Microsoft CA refuses shorter keys with 0x80094811.
    Do: On the client, create a new RSA key of at least 2048 bits and enroll again.
    Do: On the CA, lower the minimum key size only for hardware that cannot create longer keys: NIST SP 800-131A no longer allows keys below
    2048 bits, because an attacker may break them.
    Do (ios-client, cisco-wlc): On the device, set `rsakeypair KEY 2048` in the trustpoint, run `crypto key generate rsa modulus 2048 label
    KEY`, then `crypto pki enroll TRUSTPOINT`.
    Do (cisco-asa): On the ASA, run `crypto key generate rsa label KEY modulus 2048`, set `keypair KEY` in the trustpoint, then run `crypto
    ca enroll TRUSTPOINT`.
    Do (fortigate): On the FortiGate, enroll with a longer key: `execute vpn certificate local generate rsa NAME 2048 …`.
    Do (apple, windows-mdm, intune-android): In the MDM, set the key size of the SCEP profile to 2048 and push the profile again.
    Not: A fault where the server issues the certificate.
    """
    for csr in _csr(content):
        key = csr.public_key
        if key is not None and key.algorithm.startswith("rsa") and key.bits is not None and key.bits < 2048:
            yield Evidence(
                f"The PKCS #10 request is for an RSA key of {key.bits} bits; most certificate profiles require 2048.",
                (view.q("PKCS#10.subjectPKInfo", f"RSA {key.bits}"),),
                severity=None if view.refused else Severity.WARNING,
                title=f"The RSA key in the request has only {key.bits} bits",
            )


@rule.csr(WARNING, "RFC 5280, Section 4.1.2.6")
def csr_subject_empty(view: View, content: Content) -> Found:
    """The request contains no subject and no subjectAltName.

    Seen: The subject of the PKCS #10 request is empty, and it asks for no subjectAltName.
    Why: The client or the profile of the MDM has no subject, or the variables in it are empty.
    Do: On the client or in the profile of the MDM, set a subject or a subjectAltName and enroll again.
    Not: A fault where the CA sets the subject itself.
    """
    for csr in _csr(content):
        if not csr.subject and not csr.subject_alt_names:
            yield Evidence(
                "The PKCS #10 request contains neither a subject nor a subjectAltName.",
                (view.q("PKCS#10.subject", "empty"),),
            )


_LIMITS = {"CN": 64, "O": 64, "OU": 64, "L": 128, "ST": 128, "C": 2, "SERIALNUMBER": 64, "EMAILADDRESS": 255}


@rule.csr(ERROR, "RFC 5280, Appendix A.1", "Gradenegger, event 31", strength=INFERRED)
def csr_subject_too_long(view: View, content: Content) -> Found:
    """A part of the subject is too long.

    Seen: A commonName of more than 64 characters, or another part of the subject that is longer than RFC 5280 allows.
    Why: A variable in the profile was replaced by a long name.
    Matters: A Microsoft CA refuses the request with 0x80094001.
    Do: On the client or in the profile of the MDM, shorten this part of the subject and enroll again.
    Do (ndes): Shorten the value. Only if that is not possible: on the CA, run `certutil -setreg CA\\EnforceX500NameLengths 0` and restart
    CertSvc. Other software may then refuse the certificate.
    Not: A fault where the CA does not enforce these limits.
    """
    for csr in _csr(content):
        for part in re.split(r"(?<!\\)[,+]", csr.subject):
            name, _, value = part.partition("=")
            limit = _LIMITS.get(name.strip().upper())
            if limit is not None and len(value) > limit:
                yield Evidence(
                    f"{name.strip()} in the subject has {len(value)} characters, but only {limit} are allowed: {shown(value, 40)}.",
                    (view.q(f"PKCS#10.subject.{name.strip()}", f"{len(value)} characters"),),
                    severity=None if view.refused else Severity.WARNING,
                    title=f"{name.strip()} in the subject is longer than {limit} characters",
                )


@rule.csr(WARNING, "RFC 9525, Section 4.1", "RFC 5280, Section 4.2.1.6")
def csr_san_missing(view: View, content: Content) -> Found:
    """The request asks for no subjectAltName.

    Seen: A request for a server, VPN or smart card certificate without a subjectAltName, or a request that the CA refuses because it has
    none.
    Why: The client or its profile does not ask for a subjectAltName.
    Why: The client asks for it in an attribute that the server does not read.
    Matters: Browsers, EAP-TLS and VPNs check the subjectAltName, not the subject.
    Do: On the client or in the profile of the MDM, add a subjectAltName and enroll again.
    Not: A fault where the CA adds the subjectAltName.
    """
    refused_for_it = view.reply is not None and view.reply.hresult in (0x80094803, 0x8009480D, 0x8009480F, 0x80094812)
    for csr in _csr(content):
        wants = set(csr.extended_key_usage or ()) & {"serverAuth", "ipsecIKE", "smartcardLogon"}
        if not csr.subject_alt_names and (wants or refused_for_it):
            yield Evidence(
                f"The request asks for {', '.join(sorted(wants)) or 'a certificate'}, but for no subjectAltName"
                + (", which the CA requires." if refused_for_it else "."),
                (view.q("PKCS#10.subjectAltName", "absent"),),
                severity=Severity.ERROR if refused_for_it else None,
            )


@rule.csr(WARNING, "RFC 5280, Section 4.2.1.6")
def csr_san_wrong_form(view: View, content: Content) -> Found:
    """The value of a subjectAltName does not fit its type.

    Seen: An IP address, a user name or a URI as a DNS name, or a similar mismatch.
    Why: A field of the profile was filled in with another kind of name.
    Do: On the client or in the profile of the MDM, use the type that fits the value: DNS, IP, UPN, URI or email.
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
                    else "a user name or an email address"
                    if "@" in value
                    else "an IP address"
                    if _is_address(value)
                    else None
                )
                wrong = wrong or ("a name with a space" if " " in value else None)
            elif kind == "email" and "@" not in value:
                wrong = "not an email address"
            elif kind == "UPN" and "@" not in value:
                wrong = "not a user principal name"
            if wrong is not None:
                yield Evidence(
                    f"The subjectAltName {quoted(each)} has the type {kind}, but its value is {wrong}.",
                    (view.q("PKCS#10.subjectAltName", each),),
                    title=f"A subjectAltName of type {kind} is {wrong}",
                )


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


@rule.csr(INFO, "learn.microsoft.com, Windows Hello for Business, Configure certificate templates on NDES")
def csr_keyusage_picks_template(view: View, content: Content) -> Found:
    """NDES selects the certificate template by the requested key usage.

    Seen: The key usage in the request, and the registry value whose template NDES uses for it.
    Why: NDES has three templates in its registry and selects one of them by the key usage.
    Do: To use another template, put its name (not its display name) into this value under `HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP` on
    the NDES server, then run `iisreset`.
    Not: This is not a fault.
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
                f"The request asks for {asked}: NDES uses the template named in {value}.",
                (view.q("PKCS#10.keyUsage", asked),),
            )


@rule.csr(INFO, "learn.microsoft.com, NDES in AD CS")
def csr_template_ignored(view: View, content: Content) -> Found:
    """The server may ignore the certificate template named in the request.

    Seen: The request contains a certificateTemplateName or certificateTemplate extension.
    Why: The client or its profile names a template of a Microsoft CA.
    Matters: A SCEP server usually selects the template or profile itself.
    Else: On the server, check which template or profile it uses for this request.
    Do (ndes): On the NDES server, name the template under `HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP` and run `iisreset`: NDES selects
    SignatureTemplate, EncryptionTemplate or GeneralPurposeTemplate by key usage.
    Not: This is not a fault.
    """
    for csr in _csr(content):
        for each in (*csr.extensions, *csr.attributes):
            if each.oid in _TEMPLATES:
                yield Evidence(
                    f"The request names the certificate template {shown(each.value)}; the server may use another one.",
                    (view.q(f"PKCS#10.{each.name or each.oid}", each.value),),
                )


@rule.csr(INFO, "RFC 5280, Section 4.2.1.12")
def csr_eku_missing(view: View, content: Content) -> Found:
    """The request asks for no extended key usage.

    Seen: The request contains no extendedKeyUsage extension.
    Why: The client leaves the extended key usage to the CA.
    Do: No action is needed where the CA sets the extended key usage. Otherwise, add it to the request on the client.
    Not: This is not a fault.
    """
    for csr in _csr(content):
        if csr.extended_key_usage is None:
            yield Evidence(
                "The request asks for no extendedKeyUsage; the CA decides which one the certificate gets.",
                (view.q("PKCS#10.extendedKeyUsage", "absent"),),
            )


@rule.csr(WARNING, "support.microsoft.com, KB5014754", "[MS-PKCA], Section 3.1.5.2.1.5")
def csr_sid_absent(view: View, content: Content) -> Found:
    """The request contains no SID for strong certificate mapping.

    Seen: A request for a Windows logon (a UPN together with clientAuth or smartcardLogon) without a SID, neither as a URI in the
    subjectAltName nor as an extension.
    Why: The SCEP profile of the MDM contains no subjectAltName of type URI with the SID.
    Matters: Domain controllers that enforce strong mapping (KB5014754) refuse this certificate, unless altSecurityIdentities of the account
    maps it strongly.
    Do: In the SCEP profile of the MDM, add a subjectAltName of type URI with the SID of the account. Only the MDM may set it: a requester
    who chooses the SID can log on as anyone.
    Do (intune, scepman, windows-mdm, intune-android): In the SCEP profile in Intune, add a subjectAltName of type URI with the value
    `{{OnPremisesSecurityIdentifier}}`, then synchronise the device.
    Not: A fault for certificates that are not used to log on to Windows.
    """
    for csr in _csr(content):
        upn = any(each.startswith("UPN:") for each in csr.subject_alt_names)
        usage = set(csr.extended_key_usage or ())
        sid = any(_SID_URI in each for each in csr.subject_alt_names) or any(
            each.oid == _SID for each in csr.extensions
        )
        if upn and usage & _USERS and not sid:
            yield Evidence(
                "The request asks for a UPN and for client authentication, but contains no SID.",
                (view.q("PKCS#10.subjectAltName", ", ".join(csr.subject_alt_names)),),
            )


@rule.csr(WARNING, "ANSSI-FR/ORADAD#15", "CERT VU#971035")
def csr_requests_identity(view: View, content: Content) -> Found:
    """The requester chooses the identity in the certificate.

    Seen: The request contains a UPN or a SID and asks for client authentication.
    Why: The certificate template takes the names from the request (“Supply in the request”).
    Matters: Where nothing else checks the names, anyone with a challenge password can impersonate any user.
    Do: On the server, check the requested names against the device, for example by a policy module or by the MDM, and limit who may enroll.
    Do (ndes): On the CA, open the template's Security tab and allow Enroll for the NDES service account only. On the NDES server, install a
    policy module that checks the names, for example Intune's.
    Not: A fault where the MDM checks the request before the CA issues the certificate.
    """
    for csr in _csr(content):
        identities = [each for each in csr.subject_alt_names if each.startswith("UPN:") or _SID_URI in each]
        if identities and set(csr.extended_key_usage or ()) & _USERS:
            blob = csr.challenge_password is not None and len(csr.challenge_password.value) > _BLOB
            yield Evidence(
                f"The requester chooses the identity {shown(', '.join(identities))} for client authentication.",
                (view.q("PKCS#10.subjectAltName", ", ".join(identities)),),
                severity=Severity.INFO if blob else None,
            )


@rule.csr(WARNING, "certnanny/sscep, README")
def csr_old_extension_carrier(view: View, content: Content) -> Found:
    """The requested extensions are in an old, vendor-specific attribute.

    Seen: The requested extensions are in an attribute of VeriSign or Microsoft instead of the extensionRequest attribute of PKCS #9.
    Why: The client is old, or its vendor uses this attribute.
    Matters: Some CAs ignore these attributes and issue the certificate without the extensions.
    Do: On the client, send the extensions in extensionRequest (1.2.840.113549.1.9.14).
    Not: A fault with a Microsoft CA, which reads Microsoft's attribute.
    """
    for csr in _csr(content):
        for oid, name in ((_MS_CARRIER, "Microsoft's"), (_VERISIGN_CARRIER, "VeriSign's")):
            if oid in csr.attribute_types:
                yield Evidence(
                    f"The requested extensions are in {name} attribute {oid} instead of extensionRequest.",
                    (view.q("PKCS#10.attributes", oid),),
                )


@rule.csr(WARNING, "RFC 2986, Section 4.1")
def csr_attribute_duplicate(view: View, content: Content) -> Found:
    """An attribute of the PKCS #10 request appears more than once.

    Seen: The same attribute type appears more than once in the PKCS #10 request.
    Why: A tool added the attribute to a request that already contained it.
    Matters: It is not defined which of the values counts.
    Do: On the client, create the PKCS #10 request again with each attribute once.
    Not: One attribute with several values.
    """
    for csr in _csr(content):
        for oid in sorted(set(csr.attribute_types)):
            times = csr.attribute_types.count(oid)
            if times > 1 and oid not in _MULTIPLE:
                yield Evidence(
                    f"The attribute {oid} appears {times} times in the PKCS #10 request.",
                    (view.q("PKCS#10.attributes", f"{oid}, {times} times"),),
                )


@rule.csr(ERROR, "RFC 8894, Section 3.3.3")
def poll_issuer_subject_mismatch(view: View, content: Content) -> Found:
    """The poll names another issuer or subject than the pending request.

    Seen: The issuer in IssuerAndSubject is not a CA that the server offers, or the subject is not the subject of the pending request.
    Why: The client uses the name of the RA as the issuer, or swaps issuer and subject.
    Matters: A server that looks for the pending request by these names does not find it. RFC 8894, Section 3.3.3 recommends the
    transactionID instead.
    Do: Update the client: in a poll, the issuer is the subject name of the CA, and the subject is that of the PKCS #10 request.
    Not: A lost request on the server.
    """
    if content.kind != "issuer-and-subject" or view.transaction is None:
        return
    cas = {certificate.subject for certificate, _ in view.offered.values() if certificate.is_ca}
    subjects = set()
    for message in view.company.asked:
        inside = message.envelope.content if message.envelope is not None else None
        if inside is not None and inside.csr is not None:
            subjects.add(inside.csr.subject)
    if content.subject in cas and (content.issuer in subjects or content.issuer == view.transaction.subject):
        yield Evidence(
            f"The poll has issuer and subject swapped: it names the requester {shown(content.issuer or '')} as the issuer and the CA "
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
            f"The poll names the issuer {shown(content.issuer or '')}, but the server's CA is {shown('; '.join(sorted(cas)))}.",
            (view.q("IssuerAndSubject.issuer", content.issuer),),
            severity=None if view.failed else Severity.WARNING,
            title="The poll names an issuer that is not a CA of this server",
        )
    elif subjects and content.subject not in subjects:
        yield Evidence(
            f"The poll names the subject {shown(content.subject or '')}, but the pending request is for {shown('; '.join(sorted(subjects)))}.",
            (view.q("IssuerAndSubject.subject", content.subject),),
            severity=None if view.failed else Severity.WARNING,
            title="The poll names another subject than the pending request",
        )
