"""Name lookups and ICMP errors, in packets that scapy made."""

from typing import Any

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.layers.l2 import Ether

from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.packets import Endpoint, Notices, Packet

MAC = "02:00:00:00:00:01"
CLIENT, RESOLVER, SERVER = "10.0.0.1", "10.0.0.53", "10.0.0.2"


def noted(*packets: Any, limits: Limits | None = None) -> Notices:
    decoder = Decoder(limits or Limits())
    for frame, packet in enumerate(packets, 1):
        data = bytes(Ether(src=MAC, dst=MAC) / packet)
        assert list(decoder.feed(Packet(frame, frame * 1000, 1, data, len(data)))) == []
    return decoder.notices.noted()


def question(name: str, kind: str = "A") -> Any:
    return IP(src=CLIENT, dst=RESOLVER) / UDP(sport=40000, dport=53) / DNS(rd=1, qd=DNSQR(qname=name, qtype=kind))


def answer(name: str, *addresses: str, code: int = 0, alias: str | None = None) -> Any:
    records = [DNSRR(rrname=name, type="CNAME", rdata=alias)] if alias else []
    records += [DNSRR(rrname=alias or name, type="A", rdata=each) for each in addresses]
    message = DNS(qr=1, rcode=code, qd=DNSQR(qname=name), an=records)
    return IP(src=RESOLVER, dst=CLIENT) / UDP(sport=53, dport=40000) / message


def test_a_name_and_its_addresses_through_an_alias() -> None:
    (lookup,) = noted(
        question("NDES.corp.example"), answer("ndes.corp.example", SERVER, "10.0.0.3", alias="n1.corp.example")
    ).lookups
    assert (lookup.client, lookup.server, lookup.name) == (CLIENT, RESOLVER, "ndes.corp.example")
    assert (lookup.code, lookup.addresses, lookup.asked, lookup.answered) == (0, (SERVER, "10.0.0.3"), (1,), 2)


def test_a_name_that_is_not_known_and_one_that_nobody_answers() -> None:
    first, second = noted(
        question("a.example"), answer("a.example", code=3), question("b.example"), question("b.example")
    ).lookups
    assert (first.name, first.code, first.addresses) == ("a.example", 3, ())
    assert (second.name, second.code, second.asked, second.answered) == ("b.example", None, (3, 4), None)


def test_an_empty_answer_for_ipv6_does_not_undo_the_addresses() -> None:
    (lookup,) = noted(answer("a.example", SERVER), answer("a.example")).lookups
    assert (lookup.code, lookup.addresses) == (0, (SERVER,))


def test_icmp_errors_quote_the_segment() -> None:
    segment = TCP(sport=40000, dport=80, flags="S")
    v4 = IP(src="10.0.0.254", dst=CLIENT) / ICMP(type=3, code=13) / IP(src=CLIENT, dst=SERVER) / segment
    v6 = (
        IPv6(src="2001:db8::fe", dst="2001:db8::1")
        / ICMPv6DestUnreach(code=1)
        / IPv6(src="2001:db8::1", dst="2001:db8::2")
        / segment
    )
    first, second = noted(v4, v6).unreachable
    assert (first.sender, first.type, first.code, first.v6) == ("10.0.0.254", 3, 13, False)
    assert (first.client, first.server) == (Endpoint(CLIENT, 40000), Endpoint(SERVER, 80))
    assert (second.sender, second.type, second.code, second.v6) == ("2001:db8::fe", 1, 1, True)
    assert (second.client, second.server) == (Endpoint("2001:db8::1", 40000), Endpoint("2001:db8::2", 80))


def test_what_is_cut_damaged_or_something_else_is_left() -> None:
    whole = bytes(answer("a.example", SERVER)[UDP].payload)
    udp = IP(src=RESOLVER, dst=CLIENT) / UDP(sport=53, dport=40000)
    for size in range(len(whole)):
        noted(udp / whole[:size])
    for at in range(12, len(whole)):
        noted(udp / (whole[:at] + b"\xc0" + whole[at + 1 :]))
    echo = IP(src=CLIENT, dst=SERVER) / ICMP(type=8) / bytes(64)
    assert noted(echo) == Notices()


def test_no_more_than_the_limit_is_kept() -> None:
    names = [f"host-{number}.example" for number in range(20)]
    kept = noted(*map(question, names), limits=Limits(notices=5)).lookups
    assert [each.name for each in kept] == names[-5:]
