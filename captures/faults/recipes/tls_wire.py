"""TLS handshakes to the byte, as far as they are in the clear (RFC 5246, RFC 8446)."""

import struct

SUITES = (0xC02F, 0xC030, 0x009C)


def record(kind: int, content: bytes, version: int = 0x0303) -> bytes:
    return struct.pack(">BHH", kind, version, len(content)) + content


def handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _extensions(*items: tuple[int, bytes]) -> bytes:
    content = b"".join(struct.pack(">HH", kind, len(value)) + value for kind, value in items)
    return struct.pack(">H", len(content)) + content


def client_hello(
    host: str,
    *,
    random: bytes = bytes(range(32)),
    versions: tuple[int, ...] = (0x0304, 0x0303),
    suites: tuple[int, ...] = SUITES,
) -> bytes:
    names = struct.pack(">BH", 0, len(host)) + host.encode()
    offered = b"".join(struct.pack(">H", each) for each in versions)
    items = [(0, struct.pack(">H", len(names)) + names)] if host else []
    if versions and max(versions) >= 0x0304:
        items.append((43, bytes([len(offered)]) + offered))
    listed = b"".join(struct.pack(">H", each) for each in suites)
    legacy = min(max(versions), 0x0303)
    body = (
        struct.pack(">H", legacy)
        + random
        + b"\0"
        + struct.pack(">H", len(listed))
        + listed
        + b"\1\0"
        + _extensions(*items)
    )
    return record(22, handshake(1, body), 0x0301)


def server_hello(*, version: int = 0x0303, suite: int = 0xC02F) -> bytes:
    items = ((43, struct.pack(">H", version)),) if version >= 0x0304 else ()
    body = (
        struct.pack(">H", min(version, 0x0303)) + bytes(32) + b"\0" + struct.pack(">HB", suite, 0) + _extensions(*items)
    )
    return record(22, handshake(2, body))


def certificates(*encoded: bytes) -> bytes:
    every = b"".join(len(each).to_bytes(3, "big") + each for each in encoded)
    return record(22, handshake(11, len(every).to_bytes(3, "big") + every))


def certificate_request() -> bytes:
    return record(22, handshake(13, b"\1\1" + struct.pack(">H", 2) + b"\4\1" + struct.pack(">H", 0)))


def hello_done() -> bytes:
    return record(22, handshake(14, b""))


def alert(code: int, *, fatal: bool = True) -> bytes:
    return record(21, bytes([2 if fatal else 1, code]))


def finished() -> bytes:
    """ChangeCipherSpec and an encrypted Finished."""
    return record(20, b"\1") + record(22, bytes(40))


def application_data(size: int) -> bytes:
    return record(23, bytes(size))
