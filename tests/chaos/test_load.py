"""What the clients ask for is drawn from the seed."""

from __future__ import annotations

import random

import msgspec
from chaos.load import FIXED, INTERFACES, Plan, Request, drawn
from tests.support.cluster_client import NETWORKS

PLAN = Plan(clients=4, rate=60.0, most_live=600, explicit=tuple(f"02:00:00:00:0a:{index:02x}" for index in range(16)))


def requests(seed: int, client: int = 1, count: int = 2000) -> list[Request]:
    """What a client asks for, one after the other."""
    chance = random.Random(seed)  # noqa: S311 (to be replayed, not to be secret)
    return [drawn(chance, client, number, PLAN) for number in range(count)]


def test_the_same_seed_asks_for_the_same_pods() -> None:
    assert requests(1) == requests(1)
    assert requests(1) != requests(2)


def test_about_one_in_ten_asks_for_an_address_of_a_small_set() -> None:
    explicit = [request.explicit for request in requests(1) if request.explicit]
    assert 150 < len(explicit) < 250
    assert set(explicit) == set(PLAN.explicit)


def test_a_name_that_is_kept_for_good_goes_with_one_address_and_belongs_to_one_client() -> None:
    kept = [{request for request in requests(1, client) if request.name.startswith(FIXED)} for client in (1, 2)]
    assert all(kept)
    assert not {each.name for each in kept[0]} & {each.name for each in kept[1]}
    assert len({each.name for each in kept[0]}) == len(kept[0])


def test_the_other_names_never_come_again() -> None:
    names = [request.title for request in requests(1) if not request.name.startswith(FIXED)]
    assert len(names) == len(set(names))
    assert any(title.endswith("-*") for title in names)


def test_a_pod_asks_for_two_networks_with_the_address_in_the_first() -> None:
    request = next(request for request in requests(1) if request.explicit)
    metadata = request.manifest()["metadata"]
    assert isinstance(metadata, dict)
    networks = msgspec.json.decode(metadata["annotations"][NETWORKS])
    assert len(networks) == INTERFACES
    assert [network.get("mac") for network in networks] == [request.explicit, None]
