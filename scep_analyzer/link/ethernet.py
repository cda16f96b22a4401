"""Ethernet II with any number of VLAN tags (IEEE 802.1Q, 802.1ad QinQ)."""

VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_SNAP = b"\xaa\xaa\x03\x00\x00\x00"


def decode(frame: bytes) -> tuple[int, int]:
    """Give the EtherType and where its payload starts."""
    return untag(frame, int.from_bytes(frame[12:14], "big"), 14)


def untag(frame: bytes, ethertype: int, at: int) -> tuple[int, int]:
    """Step over VLAN tags that start at ``at``."""
    while ethertype in VLAN_TAGS and at + 4 <= len(frame):
        ethertype = int.from_bytes(frame[at + 2 : at + 4], "big")
        at += 4
    if ethertype <= 1500 and frame[at : at + 6] == _SNAP:  # an 802.3 length; LLC/SNAP then names the type
        return int.from_bytes(frame[at + 6 : at + 8], "big"), at + 8
    return ethertype, at
