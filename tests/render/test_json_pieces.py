"""JSON that is written an element at a time is the JSON that Python's own encoder writes of the whole document."""

import json
from pathlib import Path

import pytest

from scep_analyzer import analyze
from scep_analyzer.render import json_v1
from tests import files
from tests.conftest import CAPTURES
from tests.hostile.recipes import CACERT, answer, capture


@pytest.mark.parametrize("path", CAPTURES[::4], ids=lambda path: path.stem)
def test_pieces_are_the_whole(path: Path) -> None:
    written = "".join(json_v1.pieces(analyze(str(path))))
    # What could steer a terminal is an escape in ours; of the corpus nothing is.
    assert written == json.dumps(json.loads(written), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    "content", [files.pcap_header(), capture((CACERT, answer("\u202e\x1b\u2028é".encode(), "text/plain", "500 No")))]
)
def test_also_of_nothing_and_of_what_is_escaped(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    written = "".join(json_v1.pieces(analyze(str(path))))
    document = json.loads(written)
    assert [*document] == [
        *("schema", "generator", "captures", "exchanges", "transactions", "findings", "anomalies", "not_checked", "passed"),
        "summary",
    ]  # fmt: skip
    assert not any(each in written for each in "\x1b\u202e\u2028")
    assert json.loads(json.dumps(document)) == document
    unescaped = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    for each in ("\u202e", "\u2028"):
        unescaped = unescaped.replace(each, json.dumps(each)[1:-1])
    assert written == unescaped
