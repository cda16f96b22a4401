"""Python values as Lua source, held against a Lua: Wireshark's own."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scep_analyzer.wireshark.lua import literal, quoted
from scep_analyzer.wireshark.overlay import script
from scep_analyzer.wireshark.tables import with_tables
from tests.wireshark.truth import SCRIPT

HOSTILE = 'end"] } os.execute("x") --[[ ]] \\ \n\r\0\x1b \u202e é 𝄞 \\065 9'


def test_the_tables_of_the_plugin_are_those_of_the_program() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run `make docs`"


def test_text_is_data_whatever_it_holds() -> None:
    assert quoted('a"b\\') == '"a\\034b\\092"'
    assert quoted("\n1") == '"\\0101"'  # three digits: a digit behind is not part of it
    written = quoted(HOSTILE)
    assert written.isascii()
    assert written[1:-1].count('"') == 0


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark: apt-get install tshark")
def test_lua_reads_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "check.lua"
    value = {"text": HOSTILE, 7: (True, None, -3), "more": [{"a": 1}]}
    code = f"""
local value = {literal(value)}
io.stderr:write("READ ", (value.text:gsub(".", function(c) return string.format("%02x", c:byte()) end)), "\\n")
io.stderr:write("REST ", tostring(value[7][1]), tostring(value[7][2]), value[7][3], value.more[1].a, "\\n")
"""
    path.write_text(code)
    command = ["tshark", "-r", "/dev/null", "-X", f"lua_script:{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"READ {HOSTILE.encode().hex()}" in done.stderr
    assert "REST truenil-31" in done.stderr


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError):
        literal(1.5)


def test_a_script_without_frames_is_a_script() -> None:
    text, count = script("x.pcap", {}, ())
    assert count == 0
    assert 'local CAPTURE, TOTAL, FRAMES = "x.pcap", 0, {\n}\n' in text
