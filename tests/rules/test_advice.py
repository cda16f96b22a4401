"""Which advice is given to whom."""

from scep_analyzer.model.findings import Evidence, Strength
from scep_analyzer.rules import advice
from scep_analyzer.rules._rule import Page
from scep_analyzer.rules.products import NOTHING, Product, Recognised

PAGE = Page.of(
    """A title.

    Seen: Something.
    Why: The disk is full.
    Why: NDES's RA certificates have expired.
    Why: The alias is missing on EJBCA.
    Do: Read the server's log.
    Do: Restart IIS.
    Do (ndes): Run iisreset.
    Do (step-ca): Run `step ca health`.
    Do (ejbca): Open the Admin GUI.
    Do (ios-client): Type `crypto pki enroll`.
    Not: Anything else.
    """
)
NONE = Evidence("It happened.")


def _product(key: str) -> Product:
    return Product(key=key, name=key, version=None, strength=Strength.PROVED, because=("a mark",))


def test_what_fits_the_server_comes_first_and_nothing_is_said_about_another_one() -> None:
    step = Recognised(server=_product("step-ca"))
    assert advice.actions(PAGE, NONE, step) == ("Run `step ca health`.", "Read the server's log.")
    assert advice.causes(PAGE, NONE, step) == ("The disk is full.",)
    ndes = Recognised(server=_product("ndes"))
    assert advice.actions(PAGE, NONE, ndes) == ("Run iisreset.", "Read the server's log.", "Restart IIS.")
    assert advice.causes(PAGE, NONE, ndes) == ("The disk is full.", "NDES's RA certificates have expired.")


def test_the_clients_advice_stands_beside_the_servers() -> None:
    both = Recognised(server=_product("ejbca"), client=_product("ios-client"))
    assert advice.actions(PAGE, NONE, both) == (
        "Open the Admin GUI.",
        "Type `crypto pki enroll`.",
        "Read the server's log.",
    )


def test_an_unknown_server_gets_the_neutral_advice_first_then_the_likely_two() -> None:
    assert advice.actions(PAGE, NONE, NOTHING) == (
        "Read the server's log.",
        "Restart IIS.",
        "If the server is NDES: Run iisreset.",
        "If the server is step-ca: Run `step ca health`.",
    )
    marked = Recognised(likely=("ejbca",))
    assert advice.actions(PAGE, NONE, marked)[2:] == (
        "If the server is EJBCA: Open the Admin GUI.",
        "If the server is NDES: Run iisreset.",
    )


def test_a_known_server_without_advice_of_its_own_gets_the_neutral_one() -> None:
    assert advice.actions(PAGE, NONE, Recognised(server=_product("xipki"))) == ("Read the server's log.",)


TWO_PLACES = Page.of(
    """A title.

    Seen: Something.
    Why: Some reason.
    Do: On the server, renew the certificate.
    Do: On the client, fetch it again.
    Do (ndes): On the NDES server, run `certutil -store My` and renew the certificate.
    Do (step-ca): On the client, correct the URL.
    Not: Anything else.
    """
)


def test_a_step_is_told_once_in_the_products_words() -> None:
    ndes, step, other = (Recognised(server=_product(each)) for each in ("ndes", "step-ca", "xipki"))
    assert advice.actions(TWO_PLACES, NONE, ndes) == (
        "On the NDES server, run `certutil -store My` and renew the certificate.",
        "On the client, fetch it again.",
    )
    assert advice.actions(TWO_PLACES, NONE, step) == (
        "On the client, correct the URL.",
        "On the server, renew the certificate.",
    )
    assert advice.actions(TWO_PLACES, NONE, other) == TWO_PLACES.do


def test_evidence_that_settles_a_case_leaves_out_the_advice_for_any_case() -> None:
    own = Evidence("It happened.", actions=("Set the client's clock.",), settled=True)
    assert advice.actions(PAGE, own, Recognised(server=_product("xipki"))) == ("Set the client's clock.",)


def test_what_this_captures_evidence_speaks_for_comes_before_all() -> None:
    own = Evidence("It happened.", actions=("Renew it.", "Restart IIS."), causes=("It ran out.",))
    assert advice.actions(PAGE, own, Recognised(server=_product("step-ca")))[0] == "Renew it."
    assert "Restart IIS." not in advice.actions(PAGE, own, Recognised(server=_product("step-ca")))
    assert advice.causes(PAGE, own, Recognised(server=_product("ndes")))[0] == "It ran out."


def test_general_advice_gives_way_to_that_of_the_server() -> None:
    page = Page.of(
        """A title.

        Seen: Something.
        Else: Approve the request.
        Do: Then enroll again.
        Do (ejbca): Approve it in the RA Web.
        Do (ios-client): Set `enrollment retry`.
        Not: Anything else.
        """
    )
    ejbca = Recognised(server=_product("ejbca"))
    assert advice.actions(page, NONE, ejbca) == ("Approve it in the RA Web.", "Then enroll again.")
    ios = Recognised(server=_product("xipki"), client=_product("ios-client"))
    assert advice.actions(page, NONE, ios) == (
        "Set `enrollment retry`.",
        "Approve the request.",
        "Then enroll again.",
    )
    assert advice.actions(page, NONE, NOTHING)[:2] == ("Approve the request.", "Then enroll again.")
    assert page.sections[-2][1][0] == "Approve the request."


def test_where_only_clients_have_advice_it_replaces_the_general_one() -> None:
    page = Page.of(
        """A title.

        Seen: Something.
        Else: Poll less often.
        Do (sscep): Use `-t 60`.
        Not: Anything else.
        """
    )
    assert advice.actions(page, NONE, Recognised(client=_product("sscep"))) == ("Use `-t 60`.",)
    assert advice.actions(page, NONE, Recognised(server=_product("ndes"))) == ("Poll less often.",)
