"""Python -m scep_analyzer."""

import sys

from scep_analyzer.cli import main

if __name__ == "__main__":
    sys.exit(main())
