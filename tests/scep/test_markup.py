"""HTML as text."""

import pytest

from scep_analyzer.scep.markup import without_tags


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>a <b>b</b></p>", "a b"),
        ("a<script>if (1 < 2) {}</script>b<style>x{}</STYLE >c", "a b c"),
        ("a<script>never ends", "a"),
        ("1 < 2", "1 < 2"),
        ("<scripture>a</scripture>", "a"),
        ("", ""),
    ],
)
def test_tags_are_left_out(page: str, text: str) -> None:
    assert " ".join(without_tags(page).split()) == text
