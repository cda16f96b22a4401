"""Nothing from the wire steers a terminal."""

import json

import pytest

from scep_analyzer.render.safe import json_text, safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Zürich → ok", "plain Zürich → ok"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\u2028line", "\\u2028line"),
        ("tag\U000e0041", "tag\\U000e0041"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize("indent", [None, 2])
def test_json_holds_no_control_codes_and_the_same_value(indent: int | None) -> None:
    value = {"a": "\x1b[2J\x9b31m\x7f\u202egnp\u2028\U000e0041\udc80 Zürich\n", "b": ["\u200b"]}
    text = json_text(value, indent=indent)
    assert json.loads(text) == value
    assert all(character == "\n" or safe(character) == character for character in text)
    text.encode("utf-8")
    assert "Zürich" in text
