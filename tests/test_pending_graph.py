"""`dag` gives what is pending as a NetworkX graph."""

import networkx
import numpy as real
import pytest

import lazytensor as np


def test_operations_inputs_and_numbers():
    x = np.array([1.0, 2.0, 3.0])
    y = np.exp(x[::-1] * 2) + x
    graph = np.dag(y)
    assert isinstance(graph, networkx.MultiDiGraph) and networkx.is_directed_acyclic_graph(graph)
    assert [graph.nodes[i]["op"] for i in sorted(graph)] == ["multiply", "exp", "add", "input", "number"]
    assert graph.nodes[2]["dtype"] == real.float64 and graph.nodes[2]["shape"] == (3,)
    assert graph.nodes[2]["label"] == "add float64[3]" and "test_pending_graph.py" in graph.nodes[2]["place"]
    number = next(node for _, node in graph.nodes(data=True) if node["op"] == "number")
    assert number["number"] == 2 and number["label"] == "2" and "shape" not in number
    assert list(networkx.topological_sort(graph))[-1] == 2
    assert graph.in_degree(2) == 2 and set(graph[1][2]) == {0}
    assert (real.asarray(y) == real.exp(real.array([1.0, 2.0, 3.0])[::-1] * 2) + [1.0, 2.0, 3.0]).all()


def test_views_are_told_of_and_nothing_runs():
    x = np.arange(6.0).reshape(2, 3)
    y = (x * x).T
    z = (y + 1).sum(0)
    views = [edge["view"] for *_, edge in np.dag(z).edges(data=True)]
    assert True in views
    assert len(np.dag(z)) == len(np.dag(z))


def test_what_two_results_share_is_there_once():
    x = np.ones(3)
    shared = np.sin(x)
    graph = np.dag(shared + 1, shared * 2)
    assert sorted(node["op"] for _, node in graph.nodes(data=True)).count("sin") == 1


def test_what_is_computed_has_nothing_pending():
    x = np.arange(3.0) + 1
    x.realize()
    assert len(np.dag(x)) == 0 and isinstance(np.dag(x), networkx.MultiDiGraph)


def test_what_is_no_tensor_is_said_to_be_none():
    with pytest.raises(TypeError):
        np.dag(real.ones(3))
