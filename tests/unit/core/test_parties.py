import pytest

from kubemacpool.core.parties import MAX_GENERATE_NAME, ObjectKey, Party

LONG_PREFIX = "p" * 70


@pytest.mark.parametrize(
    ("party", "key", "owns"),
    [
        (Party("Pod", "ns", "web"), ObjectKey("Pod", "ns", "web"), True),
        (Party("Pod", "ns", "web"), ObjectKey("Pod", "ns", "web-1"), False),
        (Party("Pod", "ns", "web"), ObjectKey("Pod", "other", "web"), False),
        (Party("Pod", "ns", "web"), ObjectKey("VirtualMachine", "ns", "web"), False),
        (Party("VirtualMachine", "ns", "vm"), ObjectKey("Pod", "ns", "vm"), False),  # its launcher pod is not the VM
        (
            Party("Pod", "ns", "web", "web-"),
            ObjectKey("Pod", "ns", "web-1"),
            False,
        ),  # the name counts where both are given
        (Party("Pod", "ns", "", "web-", "r1"), ObjectKey("Pod", "ns", "web-x7k2p"), True),
        (Party("Pod", "ns", "", "web-", "r1"), ObjectKey("Pod", "ns", "web"), False),
        (Party("Pod", "ns", "", "web-", "r1"), ObjectKey("Pod", "ns", "db-x7k2p"), False),
        (Party("Pod", "ns", "", "web-", "r1"), ObjectKey("Pod", "other", "web-x7k2p"), False),
        (Party("Pod", "ns", "", LONG_PREFIX, "r1"), ObjectKey("Pod", "ns", "p" * MAX_GENERATE_NAME + "x7k2p"), True),
        (
            Party("Pod", "ns", "", LONG_PREFIX, "r1"),
            ObjectKey("Pod", "ns", "p" * (MAX_GENERATE_NAME - 1) + "x7k2p"),
            False,
        ),
    ],
)
def test_a_party_owns_the_object_that_its_allocation_was_for(party: Party, key: ObjectKey, *, owns: bool) -> None:
    assert party.owns(key) is owns


def test_the_api_server_keeps_58_characters_of_a_prefix() -> None:
    """63, the longest name, less the 5 characters that it adds."""
    assert MAX_GENERATE_NAME == 63 - 5


def test_one_name_is_one_party_and_every_unnamed_request_is_another() -> None:
    assert Party("Pod", "ns", "web") == Party("Pod", "ns", "web")
    assert Party("Pod", "ns", "", "web-", "r1") != Party("Pod", "ns", "", "web-", "r2")
    assert Party("Pod", "ns", "", "web-", "r1") != Party("Pod", "ns", "web-")


def test_a_party_and_an_object_are_named_as_a_user_knows_them() -> None:
    assert str(Party("Pod", "ns", "web")) == "Pod ns/web"
    assert str(Party("Pod", "ns", "", "web-", "r1")) == "Pod ns/web-*"
    assert str(ObjectKey("Pod", "ns", "web")) == "Pod ns/web"
