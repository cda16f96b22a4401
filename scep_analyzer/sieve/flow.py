"""One connection as the sieve knows it, and what its sequence numbers tell."""

from scep_analyzer.model.packets import ACK, FIN, RST, SYN, Segment
from scep_analyzer.tcp.reassembly import WRAP

CLIENT, SERVER = 1, 2

Held = tuple[Segment, ...]


class Flow:
    """What is known of a connection that is not followed, and enough of one that is."""

    __slots__ = (
        "answer_at",
        "answers",
        "asked",
        "asker",
        "client",
        "ended",
        "established",
        "first_client",
        "first_server",
        "followed",
        "fresh",
        "heard",
        "high_client",
        "high_server",
        "lent",
        "next",
        "number",
        "opening",
        "past_client",
        "past_server",
        "regular",
        "requests",
        "server",
        "shut",
    )

    def __init__(self, number: int, client: bytes, server: bytes) -> None:
        self.number = number
        self.client, self.server = client, server
        """The keys of the two directions, each named after its sender, as far as the SYN or the first packet tells."""
        self.first_client: int | None = None
        self.first_server: int | None = None
        """The first sequence number of each side, by which Wireshark tells a SYN sent again from ports used again."""
        self.ended = self.established = self.followed = self.heard = self.shut = False
        self.opening: Held = ()
        """The SYNs and the SYN-ACK."""
        self.fresh = CLIENT | SERVER
        """The directions that have sent no bytes yet."""
        self.asker: bytes | None = None
        """The direction that sends HTTP requests; None while none was seen."""
        self.next = 0
        """Where the asker's next bytes belong (a sequence number)."""
        self.requests: Held = ()
        """The pieces of a request that cannot be judged yet or, where ``asked``, a whole one without its response."""
        self.asked = False
        self.answer_at: int | None = None
        """Where its response must begin; None where the request carried no acknowledgment."""
        self.past_client: int | None = None
        self.past_server: int | None = None
        """Up to where what each direction said has been judged: bytes before come again."""
        self.answers: Held = ()
        """Pieces of a response that cannot be judged yet, or what was captured before its request."""
        self.high_client: int | None = None
        self.high_server: int | None = None
        """Followed connections: where the next bytes of each direction belong."""
        self.regular = True
        """Followed connections: nothing has come out of order."""
        self.lent = False
        """Followed connections: the compiled part takes care of it, and knows ``high_client`` and ``high_server``."""


def beginning(flow: Flow, items: Held) -> Held:
    """The handshake as it was, or moved to where the connection is followed from: nothing before matters, a hole after it does."""
    if flow.asker is None and (flow.fresh == CLIENT | SERVER or flow.answers or not flow.established):
        return flow.opening
    first = (*flow.requests, *flow.answers, *items)[0]
    asker = flow.asker or first.key
    start = flow.requests[0].sequence if flow.requests else flow.next if flow.asker else first.sequence
    if flow.answers:
        answer: int | None = flow.answers[0].sequence
    elif flow.asked:
        answer = flow.answer_at
    else:
        asked = next((each for each in (*flow.requests, *items) if each.key == asker), None)
        answer = asked.acknowledgment if asked is not None and asked.flags & ACK else None
    if not flow.opening:
        # Without a SYN the first to speak is taken for the client, also by the next stage.
        if first.key == flow.client:
            return ()
        sequence = start if asker == flow.client else answer or 0
        return (first._replace(key=flow.client, flags=0, sequence=sequence, payload=b"", cut=0),)
    moved = []
    for each in flow.opening:
        if each.key == asker:
            own = each._replace(sequence=(start - 1) % WRAP)
            moved.append(own if answer is None or not each.flags & ACK else own._replace(acknowledgment=answer))
        elif answer is not None:
            moved.append(each._replace(sequence=(answer - 1) % WRAP, acknowledgment=start))
    return tuple(moved)


def tells_something(flow: Flow, item: Segment) -> bool:
    """Whether a segment of a followed connection matters: not a bare acknowledgment of bytes that were all captured in order."""
    size = len(item.payload) + item.cut
    from_client = item.key == flow.client
    high = flow.high_client if from_client else flow.high_server
    if high == item.sequence and size and not item.cut and not item.flags & SYN:  # the usual case
        if from_client:
            flow.high_client = (high + size) % WRAP
        else:
            flow.high_server = (high + size) % WRAP
        return True
    if size or item.flags & SYN:
        if high != item.sequence and not item.flags & SYN:
            if comes_again(flow, item):
                return False
            flow.regular &= high is None
        high = (item.sequence + size + bool(item.flags & SYN)) % WRAP
        if from_client:
            flow.high_client = high
        else:
            flow.high_server = high
        flow.regular &= not item.cut
        return True
    if item.flags & (FIN | RST) or not flow.regular or not item.flags & ACK or not item.window:
        flow.shut |= not item.window
        return True
    if flow.shut:
        return True  # a window that was closed may open again
    other = flow.high_server if from_client else flow.high_client
    return other is None or distance(item.acknowledgment, other) > 0


def reuses_ports(flow: Flow, item: Segment) -> bool:
    """Whether this SYN opens a new connection on the ports of an old one (tcp.stream counts on then).

    One with the sequence number of the first SYN is a late copy of it, also after the connection has ended: so counts tshark.
    """
    first = flow.first_client if item.key == flow.client else flow.first_server
    return first is not None and first != item.sequence


def numbered(item: Segment, number: int) -> Segment:
    """The segment with the number of its connection."""
    # By position: one for each packet that may matter, and keywords (or _replace) cost a microsecond.
    frame, time_ns, key, sequence, acknowledgment, flags, payload, cut, _, ttl, ident, window = item
    return Segment(frame, time_ns, key, sequence, acknowledgment, flags, payload, cut, number, ttl, ident, window)


def side_of(flow: Flow, key: bytes) -> int:
    """Which of the two directions a key is."""
    return CLIENT if key == flow.client else SERVER


def distance(sequence: int, other: int) -> int:
    """How far a sequence number lies behind another; negative where before (RFC 9293, Section 3.4: they wrap)."""
    behind = (sequence - other) % WRAP
    return behind - WRAP if behind >= WRAP // 2 else behind


def comes_again(flow: Flow, item: Segment) -> bool:
    """Whether all bytes of a segment have been judged before: a copy, or sent again."""
    past = flow.past_client if item.key == flow.client else flow.past_server
    return past is not None and distance(item.sequence, past) + len(item.payload) + item.cut <= 0


def judged(flow: Flow, key: bytes, past: int) -> None:
    """Note up to where a direction is judged."""
    if key == flow.client:
        flow.past_client = past
    else:
        flow.past_server = past


def place_of(flow: Flow, item: Segment) -> int:
    """How far the first bytes of a direction lie behind where they belong, as far as its SYN tells."""
    for syn in flow.opening:
        if syn.key == item.key:
            return distance(item.sequence, (syn.sequence + 1) % WRAP)
    return 0
