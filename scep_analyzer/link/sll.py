"""Linux cooked captures, as ``tcpdump -i any`` writes them (LINKTYPE_LINUX_SLL and _SLL2)."""

from scep_analyzer.link.ethernet import untag


def decode_v1(frame: bytes) -> tuple[int, int]:
    """Version 1: 16 bytes, the protocol in the last two."""
    return untag(frame, int.from_bytes(frame[14:16], "big"), 16)


def decode_v2(frame: bytes) -> tuple[int, int]:
    """Version 2: 20 bytes, the protocol in the first two."""
    return untag(frame, int.from_bytes(frame[0:2], "big"), 20)
