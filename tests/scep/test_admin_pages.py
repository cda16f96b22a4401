"""NDES's administration page: strings as fleetdm/fleet's code and certnanny/sscep's issues quote them."""

import pytest

from scep_analyzer.model.exchanges import Body, Response
from scep_analyzer.scep.admin_pages import read_admin_page

THUMBPRINT = "01234567 89ABCDEF 01234567 89ABCDEF"
ONCE = "This password can be used only once and will expire within 60 minutes."
MANY = "This password can be used multiple times and will not expire."


def page(text: str, encoding: str = "utf-16-le", status: int = 200) -> Response:
    html = f"<HTML><Head><Title>NDES</Title></Head><Body><P> {text} </P></Body></HTML>"
    body = html.encode(encoding)
    return Response(status, "OK", "HTTP/1.1", (), Body(body, len(body), complete=True), (1,), 0, complete=True)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-8"])
def test_a_challenge_is_found_with_its_life(encoding: str) -> None:
    text = f"The thumbprint (hash value) for the CA certificate is: <B> {THUMBPRINT} </B><P>"
    text += f"The enrollment challenge password is: <B> 0D59D1A58D8F8DA3 </B><P>{ONCE}"
    found = read_admin_page(page(text, encoding))
    assert found is not None
    assert (found.says, found.challenge, found.minutes, found.reusable) == ("challenge", "0D59D1A58D8F8DA3", 60, False)
    assert found.thumbprint == THUMBPRINT.replace(" ", "").lower()
    assert "0D59D1A58D8F8DA3" not in repr(found)


def test_a_page_in_another_language() -> None:
    found = read_admin_page(
        page(f"Der Fingerabdruck lautet: <B> {THUMBPRINT} </B><P>Das Kennwort lautet: <B> 0D59D1A58D8F8DA3 </B>")
    )
    assert found is not None
    assert (found.says, found.challenge, found.minutes) == ("challenge", "0D59D1A58D8F8DA3", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("The password cache is full.", "cache-full"),
        ("You do not have sufficient permission to enroll with SCEP.", "no-permission"),
        ("Network Device Enrollment Service allows you to obtain certificates", "other"),
    ],
)
def test_what_else_the_page_says(text: str, says: str) -> None:
    found = read_admin_page(page(text))
    assert found is not None
    assert found.says == says


def test_a_static_password_and_a_login() -> None:
    found = read_admin_page(page(f"The enrollment challenge password is: <B> 0D59D1A58D8F8DA3 </B><P>{MANY}"))
    assert found is not None
    assert found.reusable is True
    assert read_admin_page(page("Unauthorized", status=401)) is None
