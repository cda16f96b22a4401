"""The picture: who takes part, what goes between them, in which frame."""

import io
from pathlib import Path

from scep_analyzer.analysis import Analysis
from scep_analyzer.render.ladder import draw
from scep_analyzer.render.paper import Paper
from scep_analyzer.story.model import Arrow, Ladder, Lane, Tone, plain, say
from scep_analyzer.story.narrator import story_of
from tests.builders.relay import relayed
from tests.conftest import ROOT


def _drawn(ladder: Ladder, width: int = 80, most: int | None = None) -> list[str]:
    out = io.StringIO()
    draw(ladder, Paper(out, width), most)
    return out.getvalue().splitlines()


def _ladder(path: str) -> Ladder:
    return story_of(Analysis([str(ROOT / "captures" / path)]).report()).chapters[0].ladder


def test_an_enrollment_is_drawn_between_the_device_and_the_server() -> None:
    ladder = _ladder("scenarios/ndes-get-enrollment.pcap")
    assert [each.role for each in ladder.lanes] == ["device", "RA"]
    # Frames as tshark shows them for this capture: GetCACert, its response, PKIOperation, its response.
    assert [each.frame for each in ladder.arrows] == [4, 6, 15, 19]
    rows = _drawn(ladder)
    assert all(len(row) <= 80 for row in rows)
    assert "device 198.51.100.20" in rows[0]
    assert rows[0].endswith("frame")
    assert rows[1].split()[-1] == "4"
    assert "GetCACert" in rows[1]
    assert "▶│" in rows[1]
    assert "│◀" in rows[2]


def test_equal_tries_are_one_arrow_with_a_count() -> None:
    ladder = _ladder("field/windows-loop-caps-cacert.pcap")
    times = [each.times for each in ladder.arrows]
    assert max(times) > 1
    assert len(times) < sum(times)


def test_a_picture_that_is_too_long_keeps_its_beginning_and_its_end() -> None:
    lanes = (Lane("a", "device a", "device"), Lane("b", "server b", "server"))
    arrows = tuple(Arrow(at % 2, 1 - at % 2, say(f"step {at}"), at) for at in range(30))
    rows = _drawn(Ladder(lanes, arrows), most=8)
    assert len(rows) == 8
    assert "step 29" in rows[-1]
    assert any("more: timeline" in row for row in rows)


def test_three_lanes_have_their_own_lines() -> None:
    lanes = (Lane("a", "device a", "device"), Lane("b", "proxy b", "proxy"), Lane("c", "NDES c", "server"))
    arrows = (
        Arrow(0, 1, say("PKCSReq"), 1),
        Arrow(1, 2, say("PKCSReq"), 5),
        Arrow(2, 1, say("500"), 7, Tone.BAD, broken=True),
    )
    rows = _drawn(Ladder(lanes, arrows), 100)
    assert rows[1].count("│") == 3
    assert "✗" in rows[3]
    assert len({row.index("│") for row in rows[1:]}) == 1


def test_what_a_proxy_asks_in_turn_comes_between_a_request_and_its_response(tmp_path: Path) -> None:
    """The frames in which each message begins are those that the network wrote, in its order."""
    begun = relayed(tmp_path / "legs.pcap", ["10.20.0.7", "10.20.1.1", "10.20.2.1", "10.20.9.5"])
    (chapter,) = story_of(Analysis([str(tmp_path / "legs.pcap")]).report()).chapters
    lanes, arrows = chapter.ladder
    assert [each.role for each in lanes] == ["device", "proxy", "proxy", "RA"]
    there = [(0, 1), (1, 2), (2, 3)]
    assert [(each.source, each.target) for each in arrows] == [*there, *((b, a) for a, b in reversed(there))] * 3
    assert [each.frame for each in arrows] == begun
    assert [each.tone for each in arrows[-3:]] == [Tone.GOOD] * 3


def test_waiting_is_not_drawn_as_a_failure() -> None:
    arrows = _ladder("faults/transactions/pending-never-resolved.pcap").arrows
    waits = [each for each in arrows if plain(each.label) == "CertRep PENDING"]
    assert waits
    assert all(each.tone is Tone.WAITING and not each.broken for each in waits)


def test_a_hostile_label_stays_in_its_place() -> None:
    lanes = (Lane("a", "device \x1b[2J", "device"), Lane("b", "server b", "server"))
    rows = _drawn(Ladder(lanes, (Arrow(0, 1, say("{}", "\x1b]0;x\x07" + "w" * 200), 1),)))
    assert not any("\x1b" in row for row in rows)
    assert all(len(row) <= 80 for row in rows)


def test_the_timeline_draws_the_ladder_alone() -> None:
    report = Analysis([str(ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap")]).report()
    assert plain(story_of(report).chapters[0].ladder.arrows[0].label) == "GetCACert"
