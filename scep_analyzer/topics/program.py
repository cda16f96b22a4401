"""What this program says itself: anomalies, and the words for outcomes, verdicts and findings."""

from scep_analyzer.topics._table import Table

ANOMALIES = (
    ("capture", "file-cut", "the file ends inside a record, or its gzip stream is cut off or damaged"),
    ("capture", "record-length-absurd", "a record claims more bytes than a packet can have: the file is damaged from there on"),
    ("capture", "block-damaged", "a pcapng block cannot be read"),
    ("capture", "packets-dropped", "the capturing host reports that it lost packets"),
    ("capture", "packets-not-kept", "`live -w` cannot write more packets: the disk is full"),
    ("link", "link-type-unknown", "packets of a link type that this version does not read"),
    ("link", "encapsulation-not-read", "packets of a tunnel or encapsulation that this version does not look into"),
    ("link", "ip-header-damaged", "an IP header is invalid"),
    ("link", "tcp-header-cut", "a TCP header is incomplete"),
    ("link", "tcp-header-damaged", "a TCP header is invalid"),
    ("link", "fragments-incomplete", "fragments of an IP datagram are missing"),
    ("link", "limit-fragments", "too many fragments wait for the rest of their datagrams"),
    ("tcp", "gap", "bytes are missing from a connection that carries SCEP, with their number and the reason: lost, snaplen, limit"),
    ("tcp", "limit-connections", "too many connections are open at a time: the oldest are no longer followed"),
    ("tcp", "limit-out-of-order", "too many bytes wait for a missing segment: the segment is treated as lost"),
    ("tcp", "packets-twice", "the capture holds packets more than once; they are no retransmissions"),
    ("tcp", "overlap-differs", "bytes were sent again and differ; the first copy is read, as Wireshark does"),
    ("http", "tls-not-decrypted", "connections are TLS; SCEP inside them cannot be seen"),
    ("tls", "tls-secrets-unused", "there are TLS secrets, and no tshark to use them"),
    ("tls", "tshark-stopped", "tshark ended early; the report has what it reported before"),
    ("http", "http2-damaged", "HTTP/2 cannot be read further, because bytes are missing or invalid"),
    ("http", "limit-header", "a header is longer than the program keeps"),
    ("http", "limit-body", "a body is longer than the program keeps"),
    ("http", "chunk-size-bad", "the framing of a chunked body is damaged"),
    ("http", "content-length-bad", "a Content-Length is not a number"),
    ("http", "content-length-misspelled", "Content-Length is spelled Content-Lenght"),
    ("http", "content-encoding-unknown", "a compression that the program does not know"),
    ("http", "content-encoding-damaged", "compressed data is damaged"),
    ("http", "content-encoding-cut", "compressed data ends early or at the limit"),
    ("scep", "operation-spelling", "the operation is written in another case, with spaces, or percent-encoded"),
    ("scep", "parameter-spelling", "the name of the parameter is written in another case, with spaces, or percent-encoded"),
    ("scep", "operation-cut", "the request ends inside the name of the operation"),
    ("scep", "get-message-binary", "the message in the URL is DER without base64"),
    ("scep", "get-message-pem", "the message in the URL is PEM"),
    ("scep", "double-encoding", "the message in the URL is percent-encoded twice"),
    ("scep", "base64-unescaped", "the `+` of the base64 is not percent-encoded (macOS, jscep); many servers read it as a space"),
    ("scep", "base64-lines", "the base64 is broken into lines (Cisco, sscep)"),
    ("scep", "base64-blanks", "the base64 has spaces in place of `+`"),
    ("scep", "base64-url-alphabet", "the base64 has `-` and `_` in place of `+` and `/` (micromdm)"),
    ("scep", "base64-padding-missing", "the `=` at the end of the base64 is missing"),
    ("scep", "base64-truncated", "the base64 ends inside a group of four characters"),
    ("scep", "base64-damaged", "the base64 has characters that do not belong into it"),
    ("scep", "body-pem", "the body is PEM instead of DER"),
    ("scep", "body-form", "the body is a form instead of DER"),
    ("scep", "body-base64", "the body is base64 instead of DER"),
    ("scep", "message-in-post-query", "a POST has its message in the URL"),
    ("scep", "message-missing", "there is no message where one is needed"),
    ("scep", "message-unreadable", "a message cannot be read, with the reason"),
    ("scep", "message-type-missing", "a pkiMessage has no readable messageType"),
    ("scep", "envelope-unreadable", "the envelope inside a message cannot be read"),
    ("scep", "placeholder-content", "one or two bytes in place of an envelope or of nothing (normal for NDES)"),
    ("scep", "ber-indefinite", "BER with indefinite lengths (jscep, Apple)"),
    ("scep", "trailing-bytes", "bytes follow after the message"),
    ("scep", "version-odd", "a SignedData has an unusual version"),
    ("scep", "content-type-wrong", "a SignedData has another contentType than data"),
    ("scep", "content-not-octets", "the content of a SignedData is not in an OCTET STRING"),
    ("scep", "attributes-unsorted", "the signed attributes are not in DER order"),
    ("scep", "content-type-missing", "the signed attribute contentType is missing (OpenSSL refuses such a message)"),
    ("scep", "attribute-unexpected", "a request has pkiStatus or recipientNonce, or a response has failInfo without FAILURE"),
    ("scep", "fail-info-missing", "a FAILURE has no failInfo"),
    ("scep", "success-without-content", "a SUCCESS has no envelope"),
    ("scep", "challenge-password-in-clear", "challengePassword is a signed attribute, which anyone can read"),
    ("scep", "certificate-unreadable", "a certificate inside a message cannot be read; the rest of the message can"),
    ("scep", "several-signers", "there is more than one signer; the first is read"),
    ("scep", "attribute-type", "a signed attribute has another type than it should have"),
    ("scep", "attribute-several-values", "a signed attribute has several values; the first is read"),
    ("scep", "attribute-not-a-number", "a signed attribute that must be a number is not one"),
    ("scep", "nonce-form", "a nonce is not an OCTET STRING of 16 bytes"),
    ("scep", "signing-time-unreadable", "the signingTime is not a time"),
    ("scep", "capability-spelling", "a capability is written in another case"),
    ("scep", "capabilities-one-line", "all capabilities are on one line"),
    ("scep", "ca-certificates-unreadable", "a response to GetCACert holds no certificates"),
    ("scep", "certificate-duplicate", "a set holds a certificate more than once"),
    ("scep", "next-ca-content", "the content of a response to GetNextCACert is not a set of certificates"),
    ("scep", "limit-transactions", "more transactions are open than the program follows"),
    ("scep", "limit-exchanges", "a transaction has more exchanges than the program keeps in one; the rest is a transaction of its own"),
    ("scep", "envelope-closed", "(`decode`) none of the keys that were given opens the envelope"),
    ("scep", "joined-lines", "(`decode`) the message was broken into lines"),
    ("cms", "key-fits-nothing", "a key that was given opens no envelope, with the recipients of those that stay closed"),
    ("rules", "rule-failed", "a rule failed: this is an error of this program, please report it"),
    ("rules", "limit-findings", "a rule has more findings than the report lists"),
    ("any", "limit-anomalies", "there are more anomalies of a code than the report lists"),
)  # fmt: skip
"""Layer, code and meaning of everything that is damaged or unusual in the bytes; docs/json.md is made of it."""

_OUTCOMES = (
    ("issued | success | succeeded", "verdict: the certificate was issued", "The server responded SUCCESS, the response is valid and belongs to the request, and the client can use it.", ""),
    ("unusable | granted, but unusable", "verdict: granted, but the client cannot use the response", "The server responded SUCCESS, but the response has another transactionID or nonce, is encrypted for another key, has an invalid signature, or holds no certificate.", "certrep-success-without-envelope certrep-not-for-requester certrep-signature-invalid"),
    ("refused | failure", "verdict: the server refused the request", "The server responded FAILURE.", "certrep-failure"),
    ("pending | waiting for approval", "verdict: the request waits for approval", "The server responded PENDING, and the capture has no decision.", "pending-not-polled"),
    ("failed", "verdict: no SCEP response, or none that helps", "The client got an HTTP error, a web page, an incomplete response or no connection.", ""),
    ("no-enrollment | no enrollment was tried", "verdict: no enrollment was tried", "The client only asked for capabilities or certificates.", "txn-stopped-after-cacert"),
    ("unanswered | no response", "outcome: the request has no response", "The capture has no response to the request.", "http-no-response capture-ends-early"),
    ("http-error", "outcome: an HTTP error instead of a SCEP response", "The server, or a device in front of it, responded with an HTTP status or a page instead of SCEP.", ""),
    ("connection-failed", "outcome: no connection to the server", "The connection was refused or got no response.", "tcp-refused tcp-connect-timeout"),
    ("unknown", "outcome: cannot be told", "The capture does not show how the transaction ended, for example because packets are missing.", ""),
    ("proved | certain", "strength: the bytes of the capture show it", "", ""),
    ("inferred | likely", "strength: the bytes and a documented rule imply it", "", ""),
    ("possible", "strength: a likely cause that lies outside the capture", "", ""),
    ("error", "severity: stops the enrollment", "", ""),
    ("warning", "severity: endangers or weakens the enrollment", "", ""),
    ("info | note", "severity: good to know", "", ""),
    ("root cause | root_cause", "the finding that explains the failure and is not itself explained by another one", "", ""),
    ("symptom | because_of", "a finding that follows from another one", "", ""),
    ("not checked | not_checked", "a rule that could not be judged, with the reason", "Usually a key is missing: `--key` or `--keylog`.", ""),
    ("ca-certificates", "kind of transaction: capabilities or certificates were fetched", "", ""),
    ("get-cert", "kind of transaction: GetCert", "", ""),
    ("get-crl", "kind of transaction: GetCRL", "", ""),
    ("poll", "kind of transaction: a poll whose request is not in the capture", "", ""),
    ("certificates", "kind of content: certificates, without a request", "An issued certificate, or a set of them.", ""),
    ("ra-signing", "role of a certificate: the RA signs responses with it", "", ""),
    ("ra-encryption", "role of a certificate: clients encrypt for it", "", ""),
    ("requester", "role of a certificate: it signed the request", "", ""),
)  # fmt: skip


def tables(servers: dict[str, str], fronts: dict[str, str], clients: dict[str, str]) -> tuple[Table, ...]:
    """The tables of this program's own words; products by key and name."""
    return (
        Table("anomaly", "In the anomalies of the JSON, and as notes of the timeline. An anomaly is an observation, no judgement.", "scep-analyzer, docs/json.md", tuple((code, text[0].upper() + text[1:], f"Seen in layer {layer}.", "") for layer, code, text in ANOMALIES)),
        Table("outcome", "In the output of this program: headlines, the fields of JSON and CSV.", "scep-analyzer, docs/diagnosis.md", _OUTCOMES),
        Table("product", "In the output of this program: which software was recognized, and for which product an advice is.", "scep-analyzer, docs/diagnosis.md", _products(servers, fronts, clients)),
    )  # fmt: skip


def _products(
    servers: dict[str, str], fronts: dict[str, str], clients: dict[str, str]
) -> tuple[tuple[str, str, str, str], ...]:
    kinds = (
        (servers, "A SCEP server: a CA, an RA, or a proxy that speaks SCEP itself."),
        (fronts, "A device or service in front of the SCEP server: a proxy, firewall or load balancer."),
        (clients, "A SCEP client."),
    )
    keys = {key for table, _ in kinds for key in table}
    found = {
        key: (key if name.lower() in keys else f"{key} | {name}", name, text, "")
        for table, text in reversed(kinds)
        for key, name in table.items()
    }
    return tuple(found.values())
