"""Root becomes a user, for good, once the capture is open."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scep_analyzer.cli import privileges
from scep_analyzer.cli.privileges import Account
from scep_analyzer.model.anomalies import AnalyzerError
from tests.conftest import ROOT

NOBODY = Account(65_534, 65_534, "nobody", "/nonexistent")
as_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="run as root: it is about giving that up"
)


@as_root
def test_what_is_given_up_does_not_come_back() -> None:
    child = os.fork()
    if not child:
        left = 1
        try:
            privileges.become(NOBODY)
            assert set(os.getresuid()) | set(os.getresgid()) | set(os.getgroups()) == {65_534}
            for regain in (os.setuid, os.seteuid, os.setgid):
                with pytest.raises(PermissionError):
                    regain(0)
            left = 0
        finally:
            os._exit(left)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@as_root
def test_what_the_user_may_read_is_tried_first(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755) if folder != Path("/tmp") else None
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.touch(0o600)
    theirs.touch(0o644)
    assert not privileges.may_read(NOBODY, str(theirs), str(ours))
    assert privileges.may_read(NOBODY, str(theirs))
    assert (os.geteuid(), os.getegid()) == (0, 0)


@as_root
def test_who_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert privileges.account_of(None) is None
    monkeypatch.setenv("SUDO_UID", "65534")
    monkeypatch.setenv("SUDO_GID", "65534")
    assert privileges.account_of(None) == NOBODY
    assert privileges.account_of("root") is None
    monkeypatch.setenv("SUDO_UID", "0")
    assert privileges.account_of(None) is None
    with pytest.raises(AnalyzerError, match="no user nosuch"):
        privileges.account_of("nosuch")


@as_root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_live_reads_as_that_user_and_root_s_dumpcap_still_ends(number: signal.Signals, tmp_path: Path) -> None:
    python = shutil.which("python3", path="/usr/bin") or sys.executable
    if shutil.which("dumpcap") is None or not privileges.may_read(
        NOBODY, python, str(ROOT / "scep_analyzer" / "cli" / "live.py")
    ):
        pytest.skip("needs dumpcap, and a Python and sources that everybody may read")
    environment = {
        **os.environ,
        "SUDO_UID": "65534",
        "SUDO_GID": "65534",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    command = [python, "-m", "scep_analyzer", "live", "-i", "lo", "-w", str(tmp_path / "kept"), "-f", "jsonl"]
    child = subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert child.stderr is not None
    first = child.stderr.readline()
    if "read as nobody" not in first:
        child.kill()
        child.communicate()
        pytest.skip(f"this Python cannot be run by everybody: {first}")
    status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    assert "Uid:\t65534\t65534\t65534\t65534\n" in status
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text(encoding="ascii").split()
    time.sleep(0.5)
    child.send_signal(number)
    out, _ = child.communicate(timeout=20)
    assert child.returncode == (-9 if number == signal.SIGKILL else 0)
    assert number == signal.SIGKILL or '"record":"summary"' in out
    time.sleep(0.5)
    for each in children:
        state = Path(f"/proc/{each}/stat")
        assert not state.exists() or state.read_text(encoding="ascii").split()[2] == "Z", each
