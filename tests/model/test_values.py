from scep_analyzer.model.content import ChallengePassword
from scep_analyzer.model.scep import AdminPage
from scep_analyzer.model.tls import Secrets


def test_what_is_secret_is_not_written() -> None:
    assert repr(ChallengePassword("UTF8String", "hunter2")) == "ChallengePassword(string_type='UTF8String')"
    assert "hunter2" not in repr((AdminPage("challenge", "hunter2"), Secrets("keys.log", b"hunter2")))
    assert "keylog='keys.log'" in repr(Secrets("keys.log", b"hunter2"))
