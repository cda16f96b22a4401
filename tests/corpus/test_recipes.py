"""The built captures are what their recipes build."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

RECIPES = sorted(path for path in (ROOT / "captures" / "scenarios").glob("*.py") if "-" in path.name)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_rebuilt_capture_is_the_same_to_the_byte(recipe: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, recipe, tmp_path], check=True, cwd=ROOT)
    built = recipe.with_suffix(".pcap")
    assert (tmp_path / built.name).read_bytes() == built.read_bytes()


def test_recipes_and_builders_do_not_use_the_analyzer() -> None:
    """A decoder tested with its own encoder would agree with its own mistakes."""
    sources = [*(ROOT / "captures").rglob("*.py"), *(ROOT / "tests" / "builders").glob("*.py")]
    assert len(sources) > 6
    users = [
        path for path in sources if "import scep_analyzer" in (text := path.read_text()) or "from scep_analyzer" in text
    ]
    assert users == []
