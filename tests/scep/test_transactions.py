"""What belongs together, and how it ended."""

import os
from collections.abc import Iterable

import pytest

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.scep import FailedConnection, Kind, Outcome, Transaction
from scep_analyzer.scep.exchanges import Interpreter
from scep_analyzer.scep.transactions import Grouper
from tests import talk
from tests.builders.scene import CA, ISSUED

CAPS = "/scep?operation=GetCACaps"
CERT = "/scep?operation=GetCACert"


def _fed(grouper: Grouper, exchanges: Iterable[HttpExchange | FailedConnection]) -> list[Transaction | Anomaly]:
    """What a grouper gives before the end."""
    interpreter = Interpreter()
    found: list[Transaction | Anomaly] = []
    for each in exchanges:
        items = [each] if isinstance(each, FailedConnection) else interpreter.feed(each)
        for item in items:
            if not isinstance(item, Anomaly):
                found += grouper.feed(item)
    return found


def _group(exchanges: Iterable[HttpExchange | FailedConnection], limits: Limits | None = None) -> list[Transaction]:
    grouper = Grouper(limits or Limits())
    found = _fed(grouper, exchanges) + list(grouper.finish())
    return [each for each in found if isinstance(each, Transaction)]


def _post(kind: int, answer: bytes | None, transaction_id: str = "T1", **how: object) -> HttpExchange:
    return talk.http(talk.POST, answer, talk.PKI_MESSAGE, post=talk.message(kind, transaction_id), **how)  # type: ignore[arg-type]


def _summary(transactions: list[Transaction]) -> list[tuple[Kind, Outcome, int]]:
    return [(each.kind, each.outcome, len(each.exchanges)) for each in transactions]


def test_what_leads_up_to_an_enrollment_belongs_to_it() -> None:
    (found,) = _group([talk.http(CAPS, b"AES"), talk.http(CERT, CA), _post(19, talk.reply(0, issued=True))])
    assert _summary([found]) == [(Kind.ENROLLMENT, Outcome.SUCCESS, 3)]
    assert (found.transaction_id, found.subject) == ("T1", "CN=device")
    assert found.issued is not None
    assert found.issued.serial_number == "15"


def test_a_request_after_a_final_reply_starts_a_new_transaction() -> None:
    found = _group([_post(19, talk.reply(2, fail_info=2)), _post(19, talk.reply(0))])
    assert _summary(found) == [(Kind.ENROLLMENT, Outcome.FAILURE, 1), (Kind.ENROLLMENT, Outcome.SUCCESS, 1)]


def test_polls_belong_to_the_request_they_poll_for() -> None:
    def poll(answer: bytes) -> HttpExchange:
        return talk.http(talk.POST, answer, post=talk.message(20, nonce=os.urandom(16)))

    request, first = _post(19, talk.reply(3)), poll(talk.reply(3))
    caps, second, third = talk.http(CAPS, b"AES"), poll(talk.reply(3)), poll(talk.reply(0))
    (found,) = _group([request, first, caps, second, third])
    assert _summary([found]) == [(Kind.ENROLLMENT, Outcome.SUCCESS, 5)]
    assert found.polls == 3


def test_a_request_sent_again_without_a_reply_is_the_same_transaction() -> None:
    (found,) = _group([_post(19, b"boom", status=500), _post(19, talk.reply(0))])
    assert _summary([found]) == [(Kind.ENROLLMENT, Outcome.SUCCESS, 2)]


def test_clients_and_transaction_ids_are_kept_apart() -> None:
    other = Endpoint("10.0.0.9", 5)
    found = _group(
        [_post(19, talk.reply(3)), _post(19, talk.reply(3, "T2"), "T2"), _post(19, talk.reply(3), client=other, at=900)]
    )
    assert [(each.client, each.transaction_id) for each in found] == [
        ("10.0.0.1", "T1"),
        ("10.0.0.1", "T2"),
        ("10.0.0.9", "T1"),
    ]


@pytest.mark.parametrize(
    ("number", "signer", "kind"),
    [
        (17, None, Kind.RENEWAL),
        (18, None, Kind.RENEWAL),
        (19, ISSUED, Kind.RENEWAL),  # Cisco, sscep, jscep: PKCSReq signed with the certificate a CA issued
        (20, None, Kind.POLL),
        (21, None, Kind.GET_CERT),
        (22, None, Kind.GET_CRL),
    ],
)
def test_kinds(number: int, signer: bytes | None, kind: Kind) -> None:
    encoded = talk.message(number, signer=signer) if signer else talk.message(number)
    (found,) = _group([talk.http(talk.POST, talk.reply(0), post=encoded)])
    assert found.kind is kind


@pytest.mark.parametrize(
    ("answer", "how", "outcome"),
    [
        (talk.reply(0), {}, Outcome.SUCCESS),
        (talk.reply(2), {}, Outcome.FAILURE),
        (talk.reply(3), {}, Outcome.PENDING),
        (talk.reply(7), {}, Outcome.UNKNOWN),
        (None, {"gone": "fin"}, Outcome.UNANSWERED),
        (None, {"gone": "rst"}, Outcome.UNANSWERED),
        (None, {"gone": "lost"}, Outcome.UNKNOWN),
        (b"404 page not found", {"status": 404}, Outcome.HTTP_ERROR),
        (b"<html>Log in</html>", {}, Outcome.HTTP_ERROR),
        (b"", {}, Outcome.HTTP_ERROR),
        (talk.reply(2), {"status": 400}, Outcome.FAILURE),  # AWS puts a CertRep into a 400
        (talk.reply(0)[:200], {"whole": False}, Outcome.UNKNOWN),
    ],
)
def test_outcomes(answer: bytes | None, how: dict[str, object], outcome: Outcome) -> None:
    (found,) = _group([_post(19, answer, **how)])
    assert found.outcome is outcome


def test_without_an_enrollment_there_are_still_the_ca_certificates() -> None:
    assert _summary(_group([talk.http(CAPS, b"AES"), talk.http(CERT, CA)])) == [
        (Kind.CA_CERTIFICATES, Outcome.SUCCESS, 2)
    ]
    assert _summary(_group([talk.http(CERT, b"no", status=404)])) == [(Kind.CA_CERTIFICATES, Outcome.HTTP_ERROR, 1)]


def _failed(at: int, how: str = "refused", frames: tuple[int, ...] = (1, 2)) -> FailedConnection:
    return FailedConnection(talk.CLIENT, talk.SERVER, 99, how, frames, at * talk.SECOND)


def test_failed_connections_belong_to_the_enrollment_they_lead_up_to() -> None:
    (found,) = _group([_failed(1), _post(19, talk.reply(0), at=2)])
    assert (found.outcome, len(found.failed_connections)) == (Outcome.SUCCESS, 1)


def test_a_server_that_stops_answering() -> None:
    (found,) = _group([talk.http(CAPS, b"AES", at=1), _failed(2)])
    assert (found.kind, found.outcome, len(found.exchanges)) == (Kind.CA_CERTIFICATES, Outcome.CONNECTION_FAILED, 1)


def test_failed_connections_to_servers_that_never_spoke_scep_are_left() -> None:
    assert _group([_failed(1)]) == []


def test_one_syn_without_an_answer_proves_nothing() -> None:
    (found,) = _group([talk.http(CAPS, b"AES", at=1), _failed(2, "unanswered", (7,))])
    assert (found.outcome, found.failed_connections) == (Outcome.SUCCESS, ())


def test_both_legs_of_a_proxy_are_one_transaction() -> None:
    proxy = Endpoint("10.0.0.5", 3128)
    outer = _post(19, talk.reply(2, fail_info=2), server=proxy, at=100, took=talk.SECOND * 3)
    inner = _post(19, talk.reply(2, fail_info=2), client=Endpoint("10.0.0.5", 4), at=101)
    (found,) = _group([outer, inner])
    assert (found.outcome, len(found.exchanges)) == (Outcome.FAILURE, 2)
    assert (found.client, found.server) == ("10.0.0.1", proxy)


def test_the_same_message_later_elsewhere_is_another_transaction() -> None:
    first = _post(19, talk.reply(2, fail_info=2), at=100)
    second = _post(19, talk.reply(2, fail_info=2), server=Endpoint("10.0.0.7", 80), at=160)
    assert len(_group([first, second])) == 2


def test_open_transactions_are_bounded_and_the_limit_is_named() -> None:
    asked = [_post(19, talk.reply(3, f"T{at}"), f"T{at}") for at in range(3)]
    given = _fed(Grouper(Limits(open_transactions=1)), asked)
    assert [each.code for each in given if isinstance(each, Anomaly)] == ["limit-transactions"] * 2
    assert [each.transaction_id for each in given if isinstance(each, Transaction)] == ["T0", "T1"]


def _released(exchanges: Iterable[HttpExchange], closed: Iterable[int] = ()) -> list[str | None]:
    """What leaves before the end of the capture, where these connections are closed."""
    given = _fed(Grouper(over=set(closed).__contains__), exchanges)
    return [each.transaction_id for each in given if isinstance(each, Transaction)]


def test_a_finished_transaction_leaves_after_a_while() -> None:
    assert _released([_post(19, talk.reply(0), at=1), talk.http(CAPS, b"AES", at=200)]) == ["T1"]


def test_a_finished_transaction_leaves_at_once_when_its_connections_are_closed() -> None:
    caps, post, later = talk.http(CAPS, b"AES", at=1), _post(19, talk.reply(0), at=2), talk.http(CERT, CA, at=3)
    assert _released([caps, post, later], closed=[caps.connection, post.connection]) == ["T1"]
    assert _released([caps, post, later], closed=[post.connection]) == []


def test_transactions_leave_in_the_order_in_which_they_ended() -> None:
    """Rules compare each with those before it."""
    first, second = (_post(19, talk.reply(0, each), each, at=at) for at, each in ((1, "T1"), (2, "T2")))
    later, much_later = (talk.http(CAPS, b"AES", at=at) for at in (3, 30))
    assert _released([first, second, later], closed=[second.connection]) == []
    assert _released([first, second, later, much_later], closed=[second.connection]) == ["T1", "T2"]


def test_a_leg_that_began_before_the_other_was_answered_joins_though_connections_are_closed() -> None:
    proxy, inside = Endpoint("10.0.0.9", 80), Endpoint("10.0.0.5", 4)
    outer = _post(19, talk.reply(0), server=proxy, at=1, took=20 * talk.SECOND)
    inner = _post(19, talk.reply(0), client=inside, at=20)
    later = talk.http(CAPS, b"AES", at=30)
    assert _released([outer, inner, later], closed=[outer.connection, inner.connection]) == ["T1"]


def test_messages_that_cannot_be_read_are_still_a_transaction() -> None:
    (found,) = _group([talk.http(talk.POST, b"oops", status=500, post=b"0\x82garbage")])
    assert (found.kind, found.outcome, found.transaction_id) == (Kind.ENROLLMENT, Outcome.HTTP_ERROR, None)


def test_exchanges_of_a_transaction_are_bounded_and_the_limit_is_named() -> None:
    grouper = Grouper(Limits(exchanges_each=2))
    asked = [talk.http(CAPS, b"AES") for _ in range(3)] + [_post(19, talk.reply(3)) for _ in range(3)]
    given = _fed(grouper, asked) + list(grouper.finish())
    assert [each.code for each in given if isinstance(each, Anomaly)] == ["limit-exchanges"] * 3
    transactions = [each for each in given if isinstance(each, Transaction)]
    assert _summary(transactions) == [
        (Kind.CA_CERTIFICATES, Outcome.SUCCESS, 2),
        (Kind.ENROLLMENT, Outcome.PENDING, 2),  # the third question led up to it
        (Kind.ENROLLMENT, Outcome.PENDING, 2),
    ]
