"""Where a citation can be read: its text → its URL. Nothing is looked up; what has no address by its form alone has none here."""

import re
from functools import cache

from scep_analyzer.model.patterns import lazily

_RFC = lazily(
    r"RFC (?P<number>\d{1,5})(?:, (?:(?:Sections? )?(?P<section>\d+(?:\.\d+)*)(?:(?:,| and) [\d., ]+(?: and [\d.]+)?)?"
    r"|Appendix (?P<appendix>[A-Z](?:\.\d+)*)))?"
)
_DRAFT = lazily(r"(?P<name>draft-[a-z0-9-]+)(?:, Section (?P<section>\d+(?:\.\d+)*))?")
_ISSUE = lazily(r"(?P<repository>[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100})#(?P<number>\d{1,7})")
_REPOSITORY = lazily(r"(?P<repository>[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100})(?:, README)?")
_KB = lazily(r"(?:support|learn)\.microsoft\.com, KB(?P<number>\d{6,8})")
_CERT = lazily(r"CERT VU#(?P<number>\d{3,8})")

_TITLES = {
    "IANA, SCEP message types": "https://www.iana.org/assignments/scep/scep.xhtml",
    "NIST SP 800-131A": "https://csrc.nist.gov/pubs/sp/800/131/a/r2/final",
    "NSS Key Log Format": "https://firefox-source-docs.mozilla.org/security/nss/legacy/key_log_format/index.html",
    "support.apple.com/103769": "https://support.apple.com/103769",
    "gist.github.com, MattRK/5485448": "https://gist.github.com/MattRK/5485448",
    "wireshark.org, reordercap(1)": "https://www.wireshark.org/docs/man-pages/reordercap.html",
    "wireshark.org, editcap(1), option -d": "https://www.wireshark.org/docs/man-pages/editcap.html",
    "wireshark.org, wiki TLS, Using the (Pre)-Master-Secret": "https://wiki.wireshark.org/TLS",
    "tcpdump(8), option -s": "https://www.tcpdump.org/manpages/tcpdump.1.html",
}
"""Pages whose address does not follow from the way in which they are cited."""


@cache
def url_of(citation: str) -> str | None:
    """The page that a citation names: a section of an RFC, an issue, a documentation page. None where no address is known."""
    if citation in _TITLES:
        return _TITLES[citation]
    if "; " in citation:  # several sources in one: the first that has an address
        return next(filter(None, map(url_of, citation.split("; "))), None)
    if citation.startswith("https://"):
        return citation
    for form, url in (
        (_RFC, _rfc),
        (_DRAFT, _draft),
        (_ISSUE, lambda found: f"https://github.com/{found['repository']}/issues/{found['number']}"),
        (_REPOSITORY, lambda found: f"https://github.com/{found['repository']}"),
        (_KB, lambda found: f"https://support.microsoft.com/kb/{found['number']}"),
        (_CERT, lambda found: f"https://www.kb.cert.org/vuls/id/{found['number']}"),
    ):
        found = form.fullmatch(citation)
        if found is not None:
            return url(found)
    return None


def _rfc(found: re.Match[str]) -> str:
    """As rfc-editor.org marks its pages: sections since RFC 8650 or so are ``section-3.2``, as they were in the older ones' HTML."""
    anchor = ""
    if found["section"]:
        anchor = f"#section-{found['section']}"
    elif found["appendix"]:
        letter, _, below = found["appendix"].partition(".")
        anchor = f"#appendix-{letter}{f'.{below}' if below else ''}"
    return f"https://www.rfc-editor.org/rfc/rfc{int(found['number'])}{anchor}"


def _draft(found: re.Match[str]) -> str:
    section = f"#section-{found['section']}" if found["section"] else ""
    return f"https://datatracker.ietf.org/doc/html/{found['name']}{section}"
