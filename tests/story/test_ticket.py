"""The ticket: what a vendor's support wants to know, and nothing but it."""

from collections.abc import Callable

from tests.conftest import Result

REFUSED = "captures/scenarios/ndes-refused-template.pcap"


def test_a_ticket_names_products_times_frames_words_and_what_was_ruled_out(
    scep_analyzer: Callable[..., Result],
) -> None:
    done = scep_analyzer("diagnose", "--ticket", REFUSED)
    assert done.code == 1
    for each in (
        "## r1.example: enrollment refused: 0x80094800",
        # Time and frames as tshark gives them for the capture.
        "2026-03-02 08:15:00.000800 UTC",
        "2026-03-02 08:15:02.096100 UTC, frame 19",
        "NDES on IIS 10.0",
        "Cisco IOS",
        "failInfo 2 badRequest",
        "Ruled out",
        "Checked and fine: signature, digest, recipient",
        "scep-analyzer 0.",
    ):
        assert each in done.out, each


def test_a_ticket_is_text_or_markdown(scep_analyzer: Callable[..., Result]) -> None:
    text = scep_analyzer("diagnose", "--ticket", REFUSED, "-f", "text")
    assert "## " not in text.out
    assert "Ruled out" in text.out
    wrong = scep_analyzer("diagnose", "--ticket", REFUSED, "-f", "csv")
    assert wrong.code == 2
    assert "-f markdown" in wrong.err


def test_a_ticket_says_when_nothing_failed(scep_analyzer: Callable[..., Result]) -> None:
    done = scep_analyzer("diagnose", "--ticket", "captures/scenarios/ndes-get-enrollment.pcap")
    assert done.code == 0
    assert "Nothing failed" in done.out
