"""BSD loopback: an address family in four bytes, then IP (LINKTYPE_NULL and LINKTYPE_LOOP)."""

from scep_analyzer.link.raw import IPV4, IPV6

# AF_INET is 2 everywhere; AF_INET6 differs: 10 Linux, 23 Windows (Npcap), 24 NetBSD/OpenBSD, 28 FreeBSD, 30 macOS.
_FAMILIES = {2: IPV4, 10: IPV6, 23: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}


def decode(frame: bytes) -> tuple[int, int]:
    """Read the family in either byte order: NULL uses the capturing host's, LOOP the network's."""
    little, big = int.from_bytes(frame[:4], "little"), int.from_bytes(frame[:4], "big")
    return _FAMILIES.get(little) or _FAMILIES.get(big) or 0, 4
