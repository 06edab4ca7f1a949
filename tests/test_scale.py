"""Small, untimed versions of perf/scale.py: counts, bounded graphs, and memory of fresh processes."""

import pytest

from perf import scale
from tests.helpers import assert_same, counting_hook, module_under_test

MB = 1_000_000


@pytest.mark.parametrize("length", [1, 511, 512, 513, 5000])
def test_chain_has_numpys_value_with_and_without_budgets(length):
    np = module_under_test()
    scale.seconds_of_a_chain(np, length)
    with scale.without_budgets(np), counting_hook() as executed:
        scale.seconds_of_a_chain(np, length)
    assert sum(node.op.name == "add" for node in executed) == length


def test_long_chain_without_budgets_needs_no_recursion():
    np = module_under_test()
    with scale.without_budgets(np):
        assert scale.seconds_of_a_chain(np, 30_000) > 0


def test_long_chain_dropped_unread_needs_no_recursion():
    np = module_under_test()
    with scale.without_budgets(np), counting_hook() as executed:
        y = x = np.ones(3)
        for _ in range(100_000):
            y = y + x
        del y
        assert float(x.sum()) == 3
    assert len(executed) <= 2


def test_chain_under_the_default_depth_keeps_few_nodes():
    np = module_under_test()
    before, most = scale.live_nodes(np), 0
    y = x = np.ones(10)
    for i in range(6000):
        y = y + x
        if i % 500 == 499:
            most = max(most, scale.live_nodes(np) - before)
    assert most <= 2 * np.config.settings()["depth"]
    assert float(y[0]) == 6001


@pytest.mark.parametrize("depth", [1, 2, 7, 64])
def test_any_depth_gives_the_same(depth):
    np = module_under_test()
    with np.config(depth=depth):
        figures = scale.bounded_graph(np, updates=400, samples=4)
    assert figures["sum"] == scale.bounded_graph(np, updates=400, samples=4)["sum"]


def test_updates_never_realized_keep_the_graph_bounded():
    np = module_under_test()
    before = scale.live_nodes(np)
    figures = scale.bounded_graph(np, updates=8000, samples=20)
    assert figures["nodes"] - before <= 4 * np.config.settings()["depth"]


@pytest.mark.parametrize("form", range(len(scale.WINDOWS)))
def test_loop_over_windows_of_any_size_has_few_plans(form):
    figures = scale.plans_of_a_loop(module_under_test(), count=1500, form=form)
    assert figures["differences"] == 0
    assert figures["plans"] <= 3


def test_sizes_alone_do_not_make_a_plan():
    np = module_under_test()
    scale.windows_realized(np, 20)
    before = scale.plans_made(np)
    scale.windows_realized(np, 100)
    assert scale.plans_made(np) == before


def test_twenty_operations_take_one_temporary():
    assert scale.run_case("chain_on_a_large_array", nbytes=40 * MB)["arrays"] <= 3.15


def test_repeated_in_place_update_allocates_nothing():
    figures = scale.run_case("repeated_in_place", nbytes=20 * MB, times=50)
    assert figures["buffers"] == 0
    assert figures["faults"] <= 40


def test_closures_over_pending_sums_stay_within_the_budget():
    budget = 40 * MB
    figures = scale.run_case("closures_over_numpys", arrays=40, nbytes=8 * MB, pinned=budget)
    assert figures["more"] * MB <= budget


def test_pending_sums_give_numpys_values():
    np = module_under_test()
    blocks = [np.arange(1000.0) + i for i in range(50)]
    sums = [block.sum() for block in blocks]
    for block in blocks:
        block *= 0
    assert_same([499500.0 + 1000.0 * i for i in range(50)], [float(total) for total in sums])
