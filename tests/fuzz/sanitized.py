"""``python -m tests.fuzz.sanitized LIBRARY [SECONDS [SEED]]``: :mod:`tests.fuzz.native` with this build of the compiled part."""

import importlib.machinery
import importlib.util
import sys

import scep_analyzer.capture

NAME = "scep_analyzer.capture._stride"


def main() -> None:
    """Take the library in place of what is installed, then fuzz it."""
    library = sys.argv.pop(1)
    loader = importlib.machinery.ExtensionFileLoader(NAME, library)
    spec = importlib.util.spec_from_file_location(NAME, library, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[NAME] = module
    setattr(scep_analyzer.capture, "_stride", module)  # noqa: B010  # a package has its modules as attributes, as import sets them
    from scep_analyzer.capture import skim
    from tests.fuzz import native

    assert getattr(skim, "_stride") is module  # noqa: B009
    native.main()


if __name__ == "__main__":
    main()
