"""Links without a header of their own: the packet starts with IP."""

IPV4, IPV6 = 0x0800, 0x86DD


def decode(frame: bytes) -> tuple[int, int]:
    """Tell the IP version by its first four bits."""
    return {4: IPV4, 6: IPV6}.get(frame[0] >> 4 if frame else 0, 0), 0
