"""Citations → addresses."""

import re

import pytest

from scep_analyzer.story.references import url_of
from scep_analyzer.topics import topics


@pytest.mark.parametrize(
    ("citation", "url"),
    [
        ("RFC 8894, Section 3.2.1.4", "https://www.rfc-editor.org/rfc/rfc8894#section-3.2.1.4"),
        ("RFC 8996", "https://www.rfc-editor.org/rfc/rfc8996"),
        ("RFC 5280, Appendix A.1", "https://www.rfc-editor.org/rfc/rfc5280#appendix-A.1"),
        ("draft-nourse-scep-23, Section 5.2", "https://datatracker.ietf.org/doc/html/draft-nourse-scep-23#section-5.2"),
        ("certnanny/sscep#39", "https://github.com/certnanny/sscep/issues/39"),
        ("certnanny/sscep, README", "https://github.com/certnanny/sscep"),
        ("support.microsoft.com, KB5014754", "https://support.microsoft.com/kb/5014754"),
        ("CERT VU#971035", "https://www.kb.cert.org/vuls/id/971035"),
        ("IANA, SCEP message types", "https://www.iana.org/assignments/scep/scep.xhtml"),
        ("winerror.h", None),
        ("X.690, Section 11.6", None),
        ("RFC 8894, Section 3\x1b\\", None),
        ("evil/../..#1", None),
        ("", None),
    ],
)
def test_where_it_can_be_read(citation: str, url: str | None) -> None:
    assert url_of(citation) == url


def test_every_citation_of_an_rfc_or_an_issue_has_an_address() -> None:
    cited = {each for topic in topics() for each in topic.references}
    form = re.compile(r"RFC \d+.*|[\w-]+/[\w.-]+#\d+")
    assert [each for each in cited if form.fullmatch(each) and url_of(each) is None] == []
    assert sum(url_of(each) is not None for each in cited) > 150
    assert all(url is None or re.fullmatch(r"https://[\x21-\x7e]+", url) for url in map(url_of, cited))
