"""Any BER as a tree with offsets, every node named that the grammar knows; damage is said where it is.

Bounded: at most ``_MOST_NODES`` nodes and ``_DEEPEST`` levels. Reads what is there: a truncated element keeps its children up to the cut.
"""

from scep_analyzer.cms.algorithms import NAMES as ALGORITHMS
from scep_analyzer.cms.ber import STRING_TYPES, Element
from scep_analyzer.cms.challenge import Masked, masked
from scep_analyzer.cms.grammar import ANY, CHALLENGE_PASSWORD, CONTENTS, EXTENSION_REQUESTS, STRUCTURES
from scep_analyzer.cms.values import dotted
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.asn1 import Node

_MOST_NODES = 2_000
"""A message of SCEP has 200 to 500; printing one takes longer than reading it."""
_DEEPEST = 64
_MOST_WRAPPINGS = 8
_LONGEST_VALUE = 32
_CLASSES = ("universal", "application", "context", "private")
_TYPES = {**STRING_TYPES, 1: "BOOLEAN", 10: "ENUMERATED", 16: "SEQUENCE", 17: "SET"}
OIDS = {
    **ALGORITHMS,
    "1.2.840.113549.1.7.1": "data",
    "1.2.840.113549.1.7.2": "signedData",
    "1.2.840.113549.1.7.3": "envelopedData",
    "1.2.840.113549.1.7.6": "encryptedData",
    "1.2.840.113549.1.9.16.1.23": "authEnvelopedData",
    "1.2.840.113549.1.9.3": "contentType",
    "1.2.840.113549.1.9.4": "messageDigest",
    "1.2.840.113549.1.9.5": "signingTime",
    CHALLENGE_PASSWORD: "challengePassword",
    "1.2.840.113549.1.9.14": "extensionRequest",
}


class _Reader:
    def __init__(self, data: bytes, names: dict[str, str]) -> None:
        self.data, self.names = data, names
        self.nodes = self.wrappings = 0

    def elements(self, start: int, end: int, depth: int) -> list[Node]:
        found: list[Node] = []
        at = start
        while at < end and self.nodes < _MOST_NODES:
            node, at = self.element(at, end, depth)
            if node is None:  # end-of-contents
                break
            found.append(node)
        return found

    def element(self, at: int, end: int, depth: int) -> tuple[Node | None, int]:
        self.nodes += 1
        data, start = self.data, at
        first = data[at]
        at += 1
        number = first & 31
        if number == 31:
            number = 0
            while at < end:
                number, more = number << 7 | data[at] & 0x7F, data[at] & 0x80
                at += 1
                if not more or at - start > 6:
                    break
        if at >= end:
            return Node(offset=start, header=at - start, length=0, type_name="?", problem="cut inside the header"), end
        octet = data[at]
        at += 1
        length: int | None = octet
        if octet == 0x80:
            length = None
        elif octet > 0x80:
            count = octet & 0x7F
            length = int.from_bytes(data[at : min(at + count, end)], "big")
            at = min(at + count, end)
        if first == 0 and length == 0:
            return None, at
        class_ = first >> 6
        type_name = (
            _TYPES.get(number, f"[UNIVERSAL {number}]") if class_ == 0 else f"[{_CLASSES[class_].upper()} {number}]"
        )
        node = Node(offset=start, header=at - start, length=length, type_name=type_name.replace("CONTEXT ", ""))
        stop = end if length is None else at + length
        if stop > end:
            node.problem = f"claims {length:,} bytes, {end - at:,} are there"
            stop = end
        if not first & 0x20:
            node.value = self.value(class_, number, at, stop)
            return node, stop
        if depth >= _DEEPEST:
            node.problem = f"nested deeper than {_DEEPEST} levels"
            return node, stop
        node.children = self.elements(at, stop, depth + 1)
        if length is None:  # up to and with the end-of-contents
            last = node.children[-1] if node.children else None
            after = self.after(last) if last is not None else at
            return node, min(after + 2, end)
        return node, stop

    def after(self, node: Node) -> int:
        if node.length is not None:
            return node.offset + node.header + node.length
        inner = self.after(node.children[-1]) if node.children else node.offset + node.header
        return inner + 2

    def value(self, class_: int, number: int, start: int, stop: int) -> str:
        content = self.data[start:stop]
        if class_ == 0:
            if number == 6:
                oid = _dotted(content)
                known = self.names.get(oid) or OIDS.get(oid)
                return f"{oid} ({known})" if known else oid
            if number == 1:
                return "TRUE" if any(content) else "FALSE"
            if number == 2 and len(content) <= 4:
                return str(int.from_bytes(content, "big", signed=True))
            if number in (23, 24):
                return content[:_LONGEST_VALUE].decode("latin-1")
            text = Element(number, content, False).text()
            if text is not None:
                return text if len(text) <= 4 * _LONGEST_VALUE else text[: 4 * _LONGEST_VALUE] + "…"
            if number == 5:
                return ""
        shown = content[:_LONGEST_VALUE].hex()
        return f"{shown}…" if len(content) > _LONGEST_VALUE else shown


def _dotted(content: bytes) -> str:
    try:
        return dotted(content)
    except DecodeError:
        return f"{content[:_LONGEST_VALUE].hex()}…" if len(content) > _LONGEST_VALUE else content.hex()


def read_tree(data: bytes, names: dict[str, str], *, secrets: bool = False) -> list[Node]:
    """Read every element of ``data``: a ContentInfo, a Certificate or a PKCS #10 request.

    ``names`` are those of further OIDs. Challenge passwords are redacted unless ``secrets``.
    """
    hidden = Masked(data, ()) if secrets else masked(data)
    reader = _Reader(hidden.content, names)
    roots = reader.elements(0, len(data), 0)
    if roots:
        roots[0].name = _kind(roots[0])
        _name(roots[0], roots[0].name, reader)
    for start, end in hidden.spans:
        _redact(roots, start, end)
    if reader.nodes >= _MOST_NODES:
        roots.append(
            Node(
                offset=len(data),
                header=0,
                length=0,
                type_name="…",
                problem=f"more than {_MOST_NODES:,} elements: the rest is not shown",
            )
        )
    return roots


def _kind(root: Node) -> str:
    """What the outermost SEQUENCE is: it starts with an OID (ContentInfo) or another SEQUENCE (Certificate, PKCS #10)."""
    first = root.children[0] if root.children else None
    if first is None or first.type_name == "OBJECT IDENTIFIER":
        return "ContentInfo"
    inner = [each.type_name for each in first.children[:2]]
    return "CertificationRequest" if inner == ["INTEGER", "SEQUENCE"] and len(first.children) <= 4 else "Certificate"


def _name(node: Node, kind: str, reader: _Reader) -> None:
    if kind.endswith("*"):
        for child in node.children:
            child.name = child.name or kind[:-1]
            _name(child, kind[:-1], reader)
        return
    if kind == "Name":
        for rdn in node.children:
            rdn.name = "RelativeDistinguishedName"
            _name(rdn, "AttributeTypeAndValue*", reader)
        return
    fields = iter(STRUCTURES.get(kind, ()))
    oid = ""
    for child in node.children:
        tag = reader.data[child.offset : child.offset + 1]
        field = next((each for each in fields if each[2] == ANY or tag in _tags(each[2])), None)
        if field is None:
            return
        child.name = field[0]
        if child.type_name == "OBJECT IDENTIFIER":
            oid = child.value.split(" ")[0]
        if field[1] == "content":
            _name_content(child, CONTENTS.get(oid, ""), reader)
        else:
            _name(child, field[1], reader)
    if kind == "Attribute" and oid in EXTENSION_REQUESTS and len(node.children) > 1:
        for value in node.children[1].children:
            _name(value, "Extension*", reader)


def _tags(tags: bytes) -> list[bytes]:
    return [tags[at : at + 1] for at in range(len(tags))]


def _redact(nodes: list[Node], start: int, end: int) -> None:
    """Say of the values in a range that they are hidden."""
    for node in nodes:
        first = node.offset + node.header
        last = end if node.length is None else first + node.length
        if first < end and last > start:
            if node.value:
                node.value = f"(redacted, {node.length} bytes)"
            _redact(node.children, start, end)


def _name_content(node: Node, kind: str, reader: _Reader) -> None:
    """The explicit [0] around a content; an OCTET STRING with another ContentInfo in it is read on."""
    for child in node.children:
        if kind:
            child.name = kind
            _name(child, kind, reader)
        elif child.type_name == "OCTET STRING" and child.length and reader.wrappings < _MOST_WRAPPINGS:
            reader.wrappings += 1
            start = child.offset + child.header
            if reader.data[start : start + 1] == b"\x30":
                child.children = reader.elements(start, min(start + child.length, len(reader.data)), 4)
                child.value = ""
                for inner in child.children[:1]:
                    inner.name = "ContentInfo"
                    _name(inner, "ContentInfo", reader)
