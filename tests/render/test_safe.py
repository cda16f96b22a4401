"""Nothing from the wire steers a terminal."""

import html
import json
import unicodedata

import pytest
from markdown_it import MarkdownIt

from scep_analyzer.render.safe import FileNames, csv_cell, json_text, markdown, safe


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


@pytest.mark.parametrize(
    "code", [0x034F, 0x0600, 0x17B4, 0x180B, 0x2800, 0x3164, 0xFFA0, 0xFE0F, 0x1BCA0, 0x1D173, 0xE0001, 0xFFFE]
)
def test_what_shows_nothing_is_written_out(code: int) -> None:
    assert chr(code) not in safe(f"a{chr(code)}b")
    assert chr(code) not in json_text(f"a{chr(code)}b")


def test_every_control_and_format_character_of_unicode_is_written_out() -> None:
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    left = [
        code for code in range(0x110000) if unicodedata.category(chr(code)) in kinds and safe(chr(code)) == chr(code)
    ]
    assert left == []


@pytest.mark.parametrize("mark", ["\u0335", "\u0eb4", "\u0f71", "\u0e31", "\ua66f", "\u20dd", "\u0941", "\U0001e944"])
def test_no_mark_of_any_script_piles_up(mark: str) -> None:
    assert safe("z" + mark * 40 + "a" + mark).count(mark) == 4


def test_texts_of_scripts_with_marks_stay_as_they_are() -> None:
    for text in ("กรุงเทพมหานคร", "प्रमाणपत्र", "ສະບາຍດີ", "တောင်ကြီး", "Việt Nam", "བོད་སྐད་", "証明書", "🔑"):
        assert safe(text) == text


def test_marks_pile_up_no_higher_than_a_language_needs() -> None:
    assert safe("e\u0301\u0323") == "e\u0301\u0323"
    assert safe("z" + "\u0335" * 40).count("\u0335") == 3


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("-1", "'-1"),
        ("\t=1", "'\\x09=1"),
        ("＝1+1", "'＝1+1"),
        ("＠SUM(A1)", "'＠SUM(A1)"),
        ("\u00a0\u3000=1", "'\u00a0\u3000=1"),
        ("CN=a", "CN=a"),
    ],
)
def test_cells_are_no_formulas(text: str, cell: str) -> None:
    assert csv_cell(text) == cell


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/@octocat",
        "www.evil.example",
        "user@host.example",
        "#1 !2 ~bug %3 &4 $a^2$",
        ":smile: ok",
        "*a* _b_ `c` ~~d~~",
        "[a](http://b) ![c](d) <b>e</b>",
        "1. a",
        "- a",
        "# a",
        "| a | b |",
        "a\\*b\\",
        "=== x",
        "---",
        'CN=a (b), O="c", it\'s $\\\\href{x}{y}$',
        "&lt;b&gt;",
    ],
)
def test_markdown_is_the_text_and_nothing_else(text: str) -> None:
    # Rendered by an independent implementation with GitHub's extensions, it is one paragraph of plain text: what was sent.
    rendered = MarkdownIt("gfm-like").render(markdown(text))
    inside = rendered.strip().removeprefix("<p>").removesuffix("</p>")
    assert "<" not in inside, rendered
    assert html.unescape(inside).replace("\u200b", "") == text


def test_what_two_values_make_together_is_no_markup() -> None:
    """Signs that open at the end of one value and close at the end of another, and a reference to an issue by GitHub's old name."""
    line = f"“{markdown('a.~~')}” and “{markdown('b.~~')}” cost {markdown('.$')}(5){markdown('$')}"
    assert "<s>" not in MarkdownIt("gfm-like").render(line)
    assert "$" not in line
    assert "GH-12" not in markdown("see GH-12")
    assert "gh-12" not in markdown("gh-12")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("../../etc/passwd", "0001-etc-passwd.pem"),
        ("getca/../../PWNED", "0001-getca-PWNED.pem"),
        ("a\x00b\x1b[31m\u202e:c|d", "0001-a-b-31m-c-d.pem"),
        ("x" * 400, f"0001-{'x' * 60}.pem"),
        ("...", "0001.pem"),
        ("", "0001.pem"),
    ],
)
def test_names_of_files(said: str, name: str) -> None:
    assert FileNames().of(("0001", said), "pem") == name


@pytest.mark.parametrize("said", ["CON", "nul", "Com1", "aux.txt", "LPT9.tar", "prn"])
def test_names_of_devices_are_none(said: str) -> None:
    assert FileNames().of((said,), "pem").startswith("_")


def test_names_are_unique_where_case_does_not_count() -> None:
    names, said = FileNames("index.json"), ("A", "a", "A:", "INDEX", "-a")
    made = [names.of((each,), "json") for each in said]
    assert made == ["A.json", "a-2.json", "A-3.json", "INDEX-2.json", "a-4.json"]
