"""Ethernet II with any number of VLAN tags (IEEE 802.1Q, 802.1ad QinQ)."""

VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})
_SNAP = b"\xaa\xaa\x03\x00\x00\x00"


def decode(frame: bytes) -> tuple[int, int]:
    """Give the EtherType and where its payload starts."""
    return untag(frame, int.from_bytes(frame[12:14], "big"), 14)


_IP = (b"\x08\x00", b"\x86\xdd")


def wireless(frame: bytes) -> tuple[int, int] | None:
    """EtherType and start of what a data frame of IEEE 802.11 carries (Section 9.3.2), None where the bytes are none with IP in it.

    `pktmon etl2pcap` marks such frames as Ethernet: MicrosoftDocs/windowsserverdocs#6696.
    """
    if len(frame) < 40 or frame[0] & 0x0F != 0x08 or frame[1] & 0x40:  # version 0, type data; not encrypted
        return None
    at = 24 + (6 if frame[1] & 3 == 3 else 0) + (2 if frame[0] & 0x80 else 0)
    if frame[at : at + 6] != _SNAP or frame[at + 6 : at + 8] not in _IP:
        return None
    return int.from_bytes(frame[at + 6 : at + 8], "big"), at + 8


def untag(frame: bytes, ethertype: int, at: int) -> tuple[int, int]:
    """Step over VLAN tags that start at ``at``."""
    while ethertype in VLAN_TAGS and at + 4 <= len(frame):
        ethertype = int.from_bytes(frame[at + 2 : at + 4], "big")
        at += 4
    if ethertype <= 1500 and frame[at : at + 6] == _SNAP:  # an 802.3 length; LLC/SNAP then names the type
        return int.from_bytes(frame[at + 6 : at + 8], "big"), at + 8
    return ethertype, at
