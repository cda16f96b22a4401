"""Sentences as values."""

from scep_analyzer.story.model import Kind, Span, Tone, cut, joined, name, plain, say, toned


def test_our_words_and_the_wires_are_told_apart() -> None:
    sentence = say("{} sends {} bytes for {}", "10.0.0.1", 1_200, name("CN=x"))
    assert plain(sentence) == "10.0.0.1 sends 1,200 bytes for CN=x"
    assert [span.kind for span in sentence] == [Kind.WIRE, Kind.WORDS, Kind.WORDS, Kind.WORDS, Kind.NAME]


def test_a_value_is_no_template() -> None:
    assert plain(say("it says {}", "{} {x}")) == "it says {} {x}"


def test_sentences_are_put_together() -> None:
    assert plain(joined([say("a"), say("{}", "b")], ", ")) == "a, b"
    assert plain(say("({})", say("inner {}", "x"))) == "(inner x)"
    assert (cut("abcdef", 6), cut("abcdefg", 6)) == ("abcdef", "abcde…")


def test_a_tone_is_for_what_has_none() -> None:
    assert [span.tone for span in toned((Span("a"), Span("b", Tone.GOOD)), Tone.BAD)] == [Tone.BAD, Tone.GOOD]
