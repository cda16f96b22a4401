"""What packets that are not TCP tell about a connection: name lookups (RFC 1035) and ICMP errors (RFC 792, RFC 4443).

Read from the bytes, because every office capture is full of DNS: scapy's dissector takes a millisecond a packet.
"""

from collections import OrderedDict
from collections.abc import Collection
from ipaddress import ip_address

from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import Endpoint, Lookup, Notices, Unreachable, address

DOMAIN = 53
ICMP, ICMP6 = 1, 58
_TCP = 6
_A, _AAAA, _CNAME = 1, 28, 5
_MOST_LABELS = 64
_LONGEST_QUESTION = 260
"""A name of 255 bytes, its end, a type and a class (RFC 1035, Section 2.3.4)."""
_ROOM = 180
"""What Python needs for a message beside its bytes, or for a question."""
_MOST_MESSAGES = 8
"""Kept for each question."""
_Message = tuple[bytes, bytes, bytes, int, int | None]
_UNREACHABLE = {ICMP: 3, ICMP6: 1}


class NoticeBoard:
    """Lookups and ICMP errors as they come by; the oldest are forgotten beyond ``Limits.notices``."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._messages: OrderedDict[tuple[bytes, bytes], list[_Message]] = OrderedDict()
        """DNS messages by client and question, not read yet: an office capture is full of them, and few matter."""
        self._bytes = 0
        """What the messages take."""
        self.forgotten = 0
        """Questions that were forgotten."""
        self._unreachable: list[Unreachable] = []

    def noted(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """Each name that each client asked each server for, with the last response that was seen, and the ICMP errors.

        Where ``clients`` are given, only what they asked for, and who asked for one of ``hosts``.
        """
        lookups: dict[tuple[bytes, bytes, str], Lookup] = {}
        wanted = None if clients is None else {ip_address(each).packed for each in clients}
        labels = {label for each in hosts if (label := each.partition(".")[0])}
        nobody = clients is not None and not clients and not labels
        for (client, question), messages in () if nobody else self._messages.items():
            if wanted is None or client in wanted or not labels.isdisjoint(_labels(question)):
                for each in messages:
                    _note(lookups, each)
        return Notices(tuple(lookups.values()), tuple(self._unreachable))

    def dns_of(self, key: bytes, message: bytes, frame: int, time_ns: int | None) -> None:
        """Take a DNS message of a direction, named as :attr:`Segment.key` is."""
        half = (len(key) - 4) // 2
        self.dns(key[:half], key[half:-4], message, frame, time_ns)

    def dns(self, source: bytes, destination: bytes, message: bytes, frame: int, time_ns: int | None) -> None:
        """Take a DNS message."""
        end = message.find(0, 12) + 5  # the question: a name, which ends in a zero byte, and a type and class
        if end < 17 or end > 12 + _LONGEST_QUESTION or len(message) < end:
            return
        is_answer = message[2] & 0x80
        question = destination if is_answer else source, message[12:end]
        messages = self._messages.get(question)
        if messages is None:
            messages = self._messages[question] = []
            self._bytes += _ROOM
        if len(messages) == _MOST_MESSAGES:  # the first questions and the last answers tell
            self._bytes -= len(messages.pop(_MOST_MESSAGES // 2)[2]) + _ROOM
        messages.append((source, destination, message[: self._limits.dns_bytes], frame, time_ns))
        self._bytes += len(messages[-1][2]) + _ROOM
        while self._bytes > self._limits.notice_bytes or len(self._messages) > self._limits.notices:
            _, forgotten = self._messages.popitem(last=False)
            self._bytes -= sum([len(each[2]) + _ROOM for each in forgotten]) + _ROOM
            self.forgotten += 1

    def icmp(self, protocol: int, source: bytes, message: bytes, frame: int, time_ns: int | None) -> None:
        """Take an ICMP message; kept where it says that a TCP segment could not be delivered."""
        if len(message) < 28 or message[0] != _UNREACHABLE[protocol]:
            return
        quoted = message[8:]
        if protocol == ICMP:
            header = (quoted[0] & 15) * 4
            if quoted[9] != _TCP or len(quoted) < header + 4:
                return
            ends, ports = (quoted[12:16], quoted[16:20]), quoted[header : header + 4]
        else:
            if len(quoted) < 44 or quoted[6] != _TCP:
                return
            ends, ports = (quoted[8:24], quoted[24:40]), quoted[40:44]
        client, server = (
            Endpoint(address(end), int.from_bytes(port, "big"))
            for end, port in zip(ends, (ports[:2], ports[2:]), strict=True)
        )
        if len(self._unreachable) < self._limits.notices:
            self._unreachable.append(
                Unreachable(
                    frame=frame,
                    time_ns=time_ns,
                    sender=address(source),
                    v6=protocol == ICMP6,
                    type=message[0],
                    code=message[1],
                    client=client,
                    server=server,
                )
            )


def _note(lookups: dict[tuple[bytes, bytes, str], Lookup], item: _Message) -> None:
    """Read a DNS message into what is known of its name."""
    source, destination, message, frame, time_ns = item
    read = _dns(message)
    if read is None:
        return
    is_answer, name, code, addresses = read
    client, server = (destination, source) if is_answer else (source, destination)
    key = client, server, name
    known = lookups.get(key)
    if known is None:
        known = lookups[key] = Lookup(
            asked=(),
            time_ns=time_ns,
            client=address(client),
            server=address(server),
            name=name,
            code=None,
            addresses=(),
            answered=None,
            answered_ns=None,
        )
    if not is_answer:
        lookups[key] = known._replace(asked=(*known.asked, frame)[:8])
        return
    every = tuple(dict.fromkeys((*known.addresses, *addresses)))[:32]
    # A name may have IPv4 addresses only: an empty answer for IPv6 does not undo them.
    lookups[key] = known._replace(
        code=code if code or known.code is None else known.code, addresses=every, answered=frame, answered_ns=time_ns
    )


def _labels(question: bytes) -> list[str]:
    return (_name(question, 0)[0] or "").lower().split(".")


def _dns(message: bytes) -> tuple[bool, str, int, list[str]] | None:
    """(is a response, name, response code, addresses); None where it is no question for an address."""
    if len(message) < 17:
        return None
    flags, questions, answers = (int.from_bytes(message[at : at + 2], "big") for at in (2, 4, 6))
    if questions != 1 or flags & 0x7800:  # an ordinary query
        return None
    name, at = _name(message, 12)
    kind = int.from_bytes(message[at : at + 2], "big")
    if name is None or kind not in (_A, _AAAA):
        return None
    found: list[str] = []
    at += 4
    for _ in range(min(answers, 64)):
        _, at = _name(message, at)
        size = int.from_bytes(message[at + 8 : at + 10], "big")
        value = message[at + 10 : at + 10 + size]
        if (int.from_bytes(message[at : at + 2], "big"), len(value)) in ((_A, 4), (_AAAA, 16)):
            found.append(address(value))
        at += 10 + size
    return bool(flags & 0x8000), name.lower(), flags & 15, found


def _name(message: bytes, at: int) -> tuple[str | None, int]:
    """A domain name and where it ends; None where it makes no sense (RFC 1035, Section 4.1.4: it may point back)."""
    labels: list[str] = []
    end = None
    for _ in range(_MOST_LABELS):
        size = message[at] if at < len(message) else 0
        if size & 0xC0 == 0xC0:
            end = at + 2 if end is None else end
            at = int.from_bytes(message[at : at + 2], "big") & 0x3FFF
        elif size & 0xC0:
            break
        elif size == 0:
            return ".".join(labels), at + 1 if end is None else end
        else:
            labels.append(message[at + 1 : at + 1 + size].decode("latin-1"))
            at += 1 + size
    return None, len(message)
