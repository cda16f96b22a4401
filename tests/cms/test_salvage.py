"""What is left of a message that is cut or damaged, at every length."""

from scep_analyzer.cms.salvage import salvage
from scep_analyzer.cms.signed import read_signed
from tests import talk
from tests.builders.scene import REQUESTER

MESSAGE = talk.message(19)


def test_parts_appear_as_they_become_whole() -> None:
    seen = []
    for size in range(0, len(MESSAGE), 7):
        left = salvage(MESSAGE[:size])
        seen.append(
            (len(left.recipients), left.content_encryption_algorithm, len(left.certificates), len(left.attributes))
        )
    assert seen == sorted(seen, key=lambda each: (each[0], each[1] or "", each[2], each[3]))
    assert seen[0] == (0, None, 0, 0)
    assert seen[-1][:3] == (1, "aes-128-cbc", 1)


def test_a_whole_message_gives_what_the_reader_gives() -> None:
    left, whole = salvage(MESSAGE), read_signed(MESSAGE)
    assert left.certificates == whole.certificates
    assert left.attributes == whole.signers[0].attributes
    assert [each.identity for each in left.recipients] == [("CN=Test CA", "0b")]
    assert (left.digest_algorithm, left.key_encryption_algorithm) == ("sha256", "rsaEncryption")


def test_a_damaged_certificate_leaves_the_rest() -> None:
    at = MESSAGE.index(REQUESTER)
    damaged = MESSAGE[: at + 4] + b"\xff" + MESSAGE[at + 5 :]
    assert len(salvage(damaged).recipients) == 1


def test_nothing_gives_nothing() -> None:
    for encoded in (b"", b"hello", b"\x30\x80" * 500, bytes(500)):
        assert salvage(encoded).is_empty
