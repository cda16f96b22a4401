"""One direction: each byte once, in order, holes named."""

from scep_analyzer.model.streams import Direction
from scep_analyzer.tcp.reassembly import HalfStream, Hole, Piece


def _piece(offset: int, payload: bytes, frame: int = 1, cut: int = 0) -> Piece:
    return Piece(offset, frame, None, payload, cut, None)


def _pinned() -> HalfStream:
    stream = HalfStream(Direction.FROM_CLIENT)
    stream.pin(100)
    return stream


def _content(items: list[Piece | Hole]) -> list[object]:
    return [item.payload if isinstance(item, Piece) else (item.length, item.reason) for item in items]


def test_a_segment_out_of_order_waits_for_the_hole_before_it() -> None:
    stream = _pinned()
    assert list(stream.add(_piece(3, b"def"))) == []
    assert _content(list(stream.add(_piece(0, b"abc")))) == [b"abc", b"def"]


def test_the_first_copy_of_a_byte_counts() -> None:
    stream = _pinned()
    given = [*stream.add(_piece(0, b"abc", 1)), *stream.add(_piece(1, b"XYZ", 2))]
    assert _content(given) == [b"abc", b"Z"]
    assert [piece.frame for piece in given if isinstance(piece, Piece)] == [1, 2]


def test_a_retransmission_with_other_boundaries_fills_the_rest() -> None:
    stream = _pinned()
    given = [*stream.add(_piece(0, b"ab")), *stream.add(_piece(4, b"ef")), *stream.add(_piece(0, b"abcdef"))]
    assert b"".join(piece.payload for piece in given if isinstance(piece, Piece)) == b"abcdef"


def test_what_the_snaplen_cut_is_a_hole_of_that_size() -> None:
    stream = _pinned()
    given = [*stream.add(_piece(0, b"ab", cut=5)), *stream.add(_piece(7, b"hi"))]
    assert _content(given) == [b"ab", (5, "snaplen"), b"hi"]


def test_a_hole_at_the_end_shows_only_in_the_fin() -> None:
    stream = _pinned()
    list(stream.add(_piece(0, b"ab")))
    stream.fin, stream.fin_frame = 10, 7
    assert list(stream.flush()) == [Hole(8, "lost", 7)]


def test_a_hole_at_the_end_shows_in_what_the_other_side_acknowledged() -> None:
    stream = _pinned()
    list(stream.add(_piece(0, b"ab")))
    stream.acknowledged, stream.acknowledged_frame = 12, 9
    assert list(stream.flush()) == [Hole(10, "lost", 9)]


def test_one_acknowledged_byte_more_may_be_the_fin() -> None:
    stream = _pinned()
    list(stream.add(_piece(0, b"ab")))
    stream.acknowledged = 3
    assert list(stream.flush()) == []


def test_without_a_syn_the_first_segment_is_the_start() -> None:
    stream = HalfStream(Direction.FROM_CLIENT)
    assert stream.offset(5000) == 0
    assert _content(list(stream.add(_piece(0, b"abc")))) == [b"abc"]


def test_sequence_numbers_wrap() -> None:
    stream = HalfStream(Direction.FROM_CLIENT)
    stream.pin(2**32 - 2)
    list(stream.add(_piece(stream.offset(2**32 - 2), b"abcd")))
    assert stream.offset(2) == 4
    assert stream.offset(2**32 - 1) == 1
