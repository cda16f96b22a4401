"""Which operation a target asks for, in every spelling seen."""

import pytest

from scep_analyzer.scep.operations import read_query


@pytest.mark.parametrize(
    ("target", "path", "operation", "message"),
    [
        ("/scep?operation=GetCACaps", "/scep", "GetCACaps", None),
        (
            "/CertSrv/mscep/mscep.dll/pkiclient.exe?operation=GetCACert&message=SCEPLab",
            "/CertSrv/mscep/mscep.dll/pkiclient.exe",
            "GetCACert",
            "SCEPLab",
        ),
        ("/scep?message=&operation=GetCACert", "/scep", "GetCACert", ""),
        ("http://ca.example:8080/scep?operation=PKIOperation&message=MII%2B", "/scep", "PKIOperation", "MII%2B"),
        ("http://[bad/scep?operation=GetCACaps", "/", "GetCACaps", None),
        ("/scep?a=b&operation=GetNextCACert", "/scep", "GetNextCACert", None),
        ("/scep?x?operation=GetCACertChain", "/scep", "GetCACertChain", None),
        ("/scep", "/scep", None, None),
        ("/scep?operation=view", "/scep", None, None),
    ],
)
def test_operations(target: str, path: str, operation: str | None, message: str | None) -> None:
    query = read_query(target)
    assert (query.path, query.operation, query.message) == (path, operation, message)
    assert query.notes == ()


@pytest.mark.parametrize(
    ("target", "operation", "as_sent", "code"),
    [
        ("/scep?operation=getcacaps", "GetCACaps", "getcacaps", "operation-spelling"),
        ("/scep?operation= PKIOperation", "PKIOperation", " PKIOperation", "operation-spelling"),
        ("/scep?%6Fperation=GetCACert", "GetCACert", "GetCACert", "parameter-spelling"),
        ("/scep?Operation=GetCACert", "GetCACert", "GetCACert", "parameter-spelling"),
    ],
)
def test_tolerated_spellings_are_noted(target: str, operation: str, as_sent: str, code: str) -> None:
    query = read_query(target)
    assert (query.operation, query.operation_as_sent) == (operation, as_sent)
    assert [each for each, _ in query.notes] == [code]


def test_an_operation_that_the_capture_cut() -> None:
    assert read_query("/scep?operation=PKIOperat", cut=True).operation == "PKIOperation"
    assert [code for code, _ in read_query("/scep?operation=PKIOperat", cut=True).notes] == ["operation-cut"]
    assert read_query("/scep?operation=PKIOperat").operation is None
