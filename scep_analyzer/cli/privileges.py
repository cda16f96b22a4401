"""Capturing needs root, reading what was captured does not: once the capture program runs, this process becomes a user. POSIX only."""

import os
import sys
from typing import NamedTuple

from scep_analyzer.model.anomalies import AnalyzerError

ROOT = 0


class Account(NamedTuple):
    """Whom a process becomes; ``name`` is None where the system has no name for the number."""

    uid: int
    gid: int
    name: str | None
    home: str | None


def account_of(asked: str | None) -> Account | None:
    """The account that ``--user`` names, else the one that called sudo; None where this process stays what it is."""
    if sys.platform == "win32" or os.geteuid() != ROOT:
        if asked is not None:
            raise AnalyzerError("--user is for root, who becomes that user: leave it out")
        return None
    import pwd

    if asked is not None:
        try:
            found = pwd.getpwnam(asked)
        except (KeyError, ValueError) as error:
            raise AnalyzerError(f"there is no user {asked}; `getent passwd` lists them") from error
    else:
        uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
        if not (_is_number(uid) and _is_number(gid)):
            return None
        try:
            found = pwd.getpwuid(int(uid))
        except KeyError:
            return Account(int(uid), int(gid), None, None) if int(uid) != ROOT else None
    if found.pw_uid == ROOT:
        return None
    return Account(found.pw_uid, found.pw_gid, found.pw_name, found.pw_dir)


def may_read(account: Account, *paths: str) -> bool:
    """Whether the account may read all of these, tried as that account."""
    if sys.platform == "win32":
        return True
    before = os.getgroups(), os.getegid(), os.geteuid()
    try:
        _join_groups(account)
        os.setegid(account.gid)
        os.seteuid(account.uid)
        return all(os.access(path, os.R_OK, effective_ids=True) for path in paths)
    except OSError:  # told where it becomes that account
        return True
    finally:
        os.seteuid(before[2])
        os.setegid(before[1])
        os.setgroups(before[0])


def _join_groups(account: Account) -> None:
    if sys.platform != "win32":
        if account.name is not None:
            os.initgroups(account.name, account.gid)
        else:
            os.setgroups([account.gid])


def become(account: Account) -> None:
    """Give root up for good: groups first, which only root may set, and the user last."""
    if sys.platform == "win32":
        return
    try:
        _join_groups(account)
        os.setgid(account.gid)
        os.setuid(account.uid)  # root's: the real, the effective and the saved one (setuid(2))
    except OSError as error:
        who = account.name or account.uid
        raise AnalyzerError(f"this process cannot become {who} ({error.strerror}); --user root stays root") from error
    if account.name is not None and account.home is not None:
        # tshark, where TLS is read, looks for its settings there.
        os.environ.update(HOME=account.home, USER=account.name, LOGNAME=account.name)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 11
