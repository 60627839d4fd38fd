"""The services of several replicas, in random order and in all weathers, on a simulated clock and API server."""

from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.sim import sabotages, stories
from tests.sim.cluster import Cluster
from tests.sim.histories import Histories
from tests.sim.sabotages import Sabotage
from tests.sim.stories import Story

BOUNDED: Final = settings(
    max_examples=250,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # one history is minutes of a cluster's life
)

SEARCH: Final = settings(BOUNDED, max_examples=400, phases=[Phase.generate])
"""For a duplicate that is there to be found, which takes some tens of histories. Nobody needs the shortest one."""

FOUND_BY_CHANCE: Final[dict[str, Sabotage]] = {
    "no naming": sabotages.without_naming,
    "addresses in doubt ignored": sabotages.without_suspects,
    "leaving unseen": sabotages.leaving_unseen,
    "early expiry": sabotages.with_a_short_bound,
}

STORIES: Final[dict[str, tuple[Story, Sabotage]]] = {
    "no catching up": (stories.the_successor_has_seen_little, sabotages.without_catching_up),
    "unproven watch": (stories.the_watch_of_the_decider_stands, sabotages.without_proof),
    "no fencing": (stories.the_decider_is_cut_off, sabotages.without_fencing),
    "loss ignored": (stories.the_lease_is_made_anew_behind_our_back, sabotages.without_loss),
    "restore ignored": (stories.the_cluster_is_restored_from_a_backup, sabotages.without_rewinding),
    "departures forgotten": (stories.a_launcher_pod_outlives_its_machine, sabotages.without_departures),
    "addresses in doubt ignored": (stories.admissions_outlive_the_decider, sabotages.without_suspects),
}


SAFE: Final = (*(story for story, _ in STORIES.values()), stories.a_machine_moves_while_the_leader_changes)


# The stories give an answer within a second


@pytest.mark.parametrize(
    "story", [*(story for story, _ in STORIES.values()), stories.a_machine_moves_while_the_leader_changes]
)
def test_no_two_parties_have_one_address_and_nothing_leaks(story: Story) -> None:
    cluster = Cluster(1, replicas=2, addresses=20)
    try:
        story(cluster)
        cluster.check()
        cluster.check_settled()
    finally:
        cluster.close()


@pytest.mark.parametrize(("story", "sabotage"), STORIES.values(), ids=STORIES)
def test_the_rule_that_a_story_is_about_is_needed_in_it(story: Story, sabotage: Sabotage) -> None:
    with sabotage():
        cluster = Cluster(1, replicas=2, addresses=20)
        try:
            story(cluster)
            cluster.loop.run(25.0)
            with pytest.raises(AssertionError, match="got it too"):
                cluster.check()
        finally:
            cluster.close()


# The histories take minutes


@pytest.mark.parametrize("sabotage", FOUND_BY_CHANCE.values(), ids=FOUND_BY_CHANCE)
def test_random_histories_find_the_duplicate_that_leaving_out_a_rule_makes_possible(sabotage: Sabotage) -> None:
    """Otherwise they would not show that the rule is kept."""
    with sabotage(), pytest.raises(AssertionError, match="got it too"):
        run_state_machine_as_test(Histories, settings=SEARCH)


TestReplicas = Histories.TestCase
TestReplicas.settings = BOUNDED
