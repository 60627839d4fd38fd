from typing import TYPE_CHECKING

from structlog.testing import capture_logs
from tests.unit.doubles import BOUND, FIRST, KeptMeasures, ManualClock, new_ledger

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.population import Population
from kubemacpool.follow.follower import Follower
from kubemacpool.follow.readiness import Readiness
from kubemacpool.wire.objects import CarriedAddresses, ObjectIdentity

if TYPE_CHECKING:
    from kubemacpool.core.ledger import Ledger

POD = ObjectIdentity("ns1", "a", "u1")


class Scene:
    """A follower and what it changes."""

    def __init__(self, kind: str = "Pod") -> None:
        self.ledger: Ledger = new_ledger()
        self.readiness = Readiness()
        self.measures = KeptMeasures()
        self.clock = ManualClock()
        self.population = Population(self.ledger)
        self.follower = Follower(kind, self.population, self.readiness, self.measures, self.clock)
        self.follower.begin()

    def holders(self, address: int) -> list[str]:
        """Who carries an address."""
        return [str(holder.party) for holder in self.ledger.holders_of(address)]


def test_a_pod_that_carries_addresses_holds_them() -> None:
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((FIRST, FIRST + 1)), 1)
    assert scene.holders(FIRST) == scene.holders(FIRST + 1) == ["Pod ns1/a"]
    assert scene.ledger.held_count == 2


def test_what_interfaces_are_reported_to_have_is_told_to_the_ledger() -> None:
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((FIRST,), attached=(FIRST + 1,)), 1)
    [holder] = scene.ledger.holders()
    assert (holder.addresses, holder.attached) == ((FIRST,), (FIRST + 1,))


def test_a_pod_that_is_seen_settles_its_allocation() -> None:
    scene = Scene()
    scene.ledger.allocate(FIRST, Party("Pod", "ns1", "a"), scene.clock.now())
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 1)
    assert scene.ledger.latest_allocation(FIRST) is None


def test_a_machine_that_carries_another_address_now_releases_the_one_before() -> None:
    scene = Scene("VirtualMachine")
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 1)
    scene.follower.present(POD, CarriedAddresses((FIRST + 1,)), 1)
    assert scene.holders(FIRST) == []
    assert scene.holders(FIRST + 1) == ["VirtualMachine ns1/a"]
    assert scene.ledger.cooling_count == 1


def test_a_pod_whose_annotation_changes_holds_the_address_that_it_was_first_seen_with() -> None:
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 1)
    scene.follower.present(POD, CarriedAddresses(()), 2)
    assert scene.holders(FIRST) == ["Pod ns1/a"]


def test_a_pod_that_is_gone_releases_its_addresses_from_that_moment_on() -> None:
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 1)
    scene.clock.advance(50.0)
    scene.follower.gone(POD)
    assert scene.holders(FIRST) == []
    scene.ledger.end_cooling(scene.clock.now() + BOUND - 1)
    assert scene.ledger.cooling_count == 1
    scene.ledger.end_cooling(scene.clock.now() + BOUND)
    assert scene.ledger.cooling_count == 0


def test_a_pod_that_was_never_told_may_be_gone() -> None:
    scene = Scene()
    scene.follower.gone(POD)
    assert scene.ledger.cooling_count == 0


def test_the_end_of_the_first_list_clears_the_obstacle_once() -> None:
    scene = Scene()
    assert list(scene.readiness.obstacles) == ["the list of objects of kind Pod is not complete yet"]
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 1)
    assert list(scene.readiness.obstacles) != []
    with capture_logs() as logs:
        scene.follower.reached(7)
        scene.readiness.hinder("Pod", "something else")
        scene.follower.reached(8)
    assert list(scene.readiness.obstacles) == ["something else"]
    assert scene.follower.progress.resource_version == 8
    assert logs == [
        {"event": "following the cluster", "log_level": "info", "kind": "Pod", "resource_version": 7, "held": 1}
    ]


def test_an_address_that_cannot_be_read_is_told_once_and_the_others_are_held() -> None:
    scene = Scene()
    with capture_logs() as logs:
        for _ in range(3):
            scene.follower.present(POD, CarriedAddresses((FIRST,), "entry 0"), 1)
    assert scene.holders(FIRST) == ["Pod ns1/a"]
    assert scene.measures.unreadables == ["Pod"]
    assert logs == [
        {
            "event": "object passed over: its addresses cannot be read",
            "log_level": "warning",
            "kind": "Pod",
            "namespace": "ns1",
            "name": "a",
            "reason": "entry 0",
        }
    ]


def test_another_fault_of_the_same_pod_is_told_as_well() -> None:
    scene = Scene()
    for fault in ("entry 0", "entry 1", "entry 1"):
        scene.follower.present(POD, CarriedAddresses((), fault), 1)
    assert scene.measures.unreadables == ["Pod", "Pod"]


def test_a_fault_that_comes_back_is_told_again() -> None:
    scene = Scene()
    for fault in ("entry 0", "", "entry 0"):
        scene.follower.present(POD, CarriedAddresses((FIRST,), fault), 1)
    assert scene.measures.unreadables == ["Pod", "Pod"]


def test_the_same_fault_of_a_pod_created_again_is_told_again() -> None:
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((), "entry 0"), 1)
    scene.follower.gone(POD)
    scene.follower.present(POD, CarriedAddresses((), "entry 0"), 1)
    scene.follower.present(POD._replace(uid="u2"), CarriedAddresses((), "entry 0"), 1)
    assert scene.measures.unreadables == ["Pod"] * 3


def test_faults_of_pods_that_are_gone_are_forgotten() -> None:
    scene = Scene()
    for number in range(100):
        identity = ObjectIdentity("ns1", f"pod-{number}", f"u{number}")
        scene.follower.present(identity, CarriedAddresses((), "entry 0"), 1)
        scene.follower.gone(identity)
    assert scene.follower._faults == {}


def test_a_good_pod_leaves_the_faults_of_others_alone() -> None:
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((), "entry 0"), 1)
    scene.follower.present(ObjectIdentity("ns1", "b", "u2"), CarriedAddresses((FIRST,)), 1)
    scene.follower.present(POD, CarriedAddresses((), "entry 0"), 1)
    assert scene.measures.unreadables == ["Pod"]


def test_a_pod_whose_annotation_cannot_be_read_keeps_what_it_was_seen_with() -> None:
    """What it carries now is unknown; freeing what it carried could give that away twice."""
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 1)
    scene.follower.unreadable(POD, "not a JSON list of objects")
    assert scene.holders(FIRST) == ["Pod ns1/a"]
    assert scene.measures.unreadables == ["Pod"]


def test_nobody_is_hindered_by_a_kind_that_has_not_begun() -> None:
    readiness = Readiness()
    Follower("VirtualMachine", Population(new_ledger()), readiness, KeptMeasures(), ManualClock())
    assert list(readiness.obstacles) == []


def test_a_kind_that_ends_before_its_first_list_hinders_nobody_any_more() -> None:
    scene = Scene("VirtualMachine")
    assert list(scene.readiness.obstacles) == ["the list of objects of kind VirtualMachine is not complete yet"]
    with capture_logs() as logs:
        scene.follower.end()
    assert list(scene.readiness.obstacles) == []
    assert logs == [{"event": "following no longer", "log_level": "info", "kind": "VirtualMachine"}]


def test_a_kind_that_comes_back_is_not_known_before_it_was_listed_anew() -> None:
    scene = Scene("VirtualMachine")
    scene.follower.reached(7)
    scene.follower.end()
    scene.follower.begin()
    assert scene.follower.progress.resource_version == 0
    assert list(scene.readiness.obstacles) == ["the list of objects of kind VirtualMachine is not complete yet"]
    scene.follower.reached(9)
    assert list(scene.readiness.obstacles) == []
    assert scene.follower.progress.resource_version == 9


def test_an_object_is_a_holder_of_its_own_kind_namespace_name_and_uid() -> None:
    scene = Scene("VirtualMachine")
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 1)
    [holder] = scene.ledger.holders_of(FIRST)
    assert holder == Holder(
        ObjectKey("VirtualMachine", "ns1", "a"), "u1", Party("VirtualMachine", "ns1", "a"), (FIRST,)
    )


def test_an_object_is_of_the_party_of_its_controller_while_that_is_there() -> None:
    scene = Scene()
    machine = ObjectKey("VirtualMachineInstance", "ns1", "vm")
    scene.population.see(Holder(machine, "u9", Party(*machine), ()), None, 0.0, 1)
    scene.follower.present(
        POD, CarriedAddresses((FIRST,), owner=OwnerReference("VirtualMachineInstance", "vm", "u9")), 1
    )
    scene.follower.present(POD._replace(name="b"), CarriedAddresses((FIRST + 1,)), 1)
    assert scene.holders(FIRST) == ["VirtualMachineInstance ns1/vm"]
    assert scene.holders(FIRST + 1) == ["Pod ns1/b"]


def test_how_new_an_object_was_is_what_a_successor_must_have_seen() -> None:
    scene = Scene("VirtualMachine")
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 42)
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 41)
    assert scene.ledger.sighted == {"VirtualMachine": 42}


def test_what_a_pod_that_is_passed_over_says_and_what_its_interfaces_have_is_withheld() -> None:
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 1)
    scene.follower.pass_over(POD, CarriedAddresses((FIRST + 1,), attached=(FIRST + 2,)))
    assert [scene.holders(FIRST + number)[0] for number in range(3)] == ["Pod ns1/a"] * 3
    scene.follower.gone(POD)
    assert [scene.holders(FIRST + number) for number in range(3)] == [[], [], []]


def test_a_successor_must_have_seen_who_left_an_address_before_it_was_given_on() -> None:
    """It would let whoever it still sees with it keep it."""
    scene = Scene()
    scene.follower.present(POD, CarriedAddresses((FIRST,)), 42)
    scene.follower.gone(POD)
    scene.follower.reached(50)
    scene.follower.reached(51)
    assert scene.ledger.sighted == {"Pod": 50}


def test_that_an_object_without_addresses_is_gone_is_nothing_that_a_successor_must_have_seen() -> None:
    scene = Scene("VirtualMachine")
    scene.follower.present(POD, CarriedAddresses(()), 42)
    scene.follower.gone(POD)
    scene.follower.reached(50)
    assert scene.ledger.sighted == {"VirtualMachine": 42}
