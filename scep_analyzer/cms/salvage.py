"""What a truncated or damaged message still tells: the parts that are whole, found in its tree by their names.

A GET that a proxy or IIS has cut, or a capture with a hole, often still holds for whom the envelope is encrypted; that alone
tells many failures.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import ASN1_ERRORS, Element, children_of, oid_of, read, serial_in
from scep_analyzer.cms.certificates import read_certificate
from scep_analyzer.cms.tree import read_tree
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.asn1 import Node
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.scep import Recipient


@dataclass(frozen=True, slots=True)
class Salvaged:
    """The whole parts of a broken message; everything may be missing."""

    certificates: tuple[Certificate, ...]
    recipients: tuple[Recipient, ...]
    key_encryption_algorithm: str | None
    content_encryption_algorithm: str | None
    digest_algorithm: str | None
    attributes: dict[str, tuple[Element, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing of use is left."""
        return not (self.certificates or self.recipients or self.attributes)


def salvage(encoded: bytes) -> Salvaged:
    """Find the whole parts of a message."""
    roots = read_tree(encoded, {}, secrets=True)
    certificates: list[Certificate] = []
    recipients: list[Recipient] = []
    attributes: dict[str, tuple[Element, ...]] = {}
    found: dict[str, str] = {}
    for parent, node in _walk(roots):
        if node.length is None or node.offset + node.header + node.length > len(encoded):
            continue
        part = encoded[node.offset : node.offset + node.header + node.length]
        try:
            if node.name == "Certificate":
                certificates.append(read_certificate(part))
            elif node.name == "issuerAndSerialNumber" and parent == "RecipientInfo":
                recipients.append(_recipient(part))
            elif node.name in ("keyEncryptionAlgorithm", "contentEncryptionAlgorithm"):
                oid = next(children_of(part))
                found[node.name] = algorithms.name_of(oid_of(oid))
            elif node.name == "AlgorithmIdentifier" and parent == "digestAlgorithms":
                oid = next(children_of(part))
                found["digestAlgorithm"] = algorithms.name_of(oid_of(oid))
            elif node.name == "Attribute" and parent == "signedAttrs":
                kind, values = list(children_of(part))[:2]
                attributes[oid_of(kind)] = tuple(map(read, children_of(values)))
        except (*ASN1_ERRORS, DecodeError, StopIteration):
            continue
    return Salvaged(
        certificates=tuple(certificates),
        recipients=tuple(recipients),
        key_encryption_algorithm=found.get("keyEncryptionAlgorithm"),
        content_encryption_algorithm=found.get("contentEncryptionAlgorithm"),
        digest_algorithm=found.get("digestAlgorithm"),
        attributes=attributes,
    )


def _walk(nodes: list[Node], parent: str = "") -> Iterator[tuple[str, Node]]:
    for node in nodes:
        yield parent, node
        yield from _walk(node.children, node.name)


def _recipient(part: bytes) -> Recipient:
    issuer, number = list(children_of(part))[:2]
    return Recipient(kind="key-transport", issuer=names.name_in(issuer), serial_number=serial_in(number))
