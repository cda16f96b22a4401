"""Takes the picture of docs/how-to/report.md, from the bundled capture, in a chromium without a screen.

`make picture` runs it; it needs chromium (apt-get install chromium). Look at the picture before you commit it.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from scep_analyzer.cli import main

ROOT = Path(__file__).parent.parent
CAPTURE = ROOT / "captures/scenarios/ndes-refused-template.pcap"

with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
    page_file = Path(folder) / "report.html"
    main(["report", str(CAPTURE), "-o", str(page_file)])
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1100, "height": 1000})
    page.goto(page_file.as_uri())
    page.screenshot(path=ROOT / "docs/how-to/pictures/report.png")
    browser.close()
