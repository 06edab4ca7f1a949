"""`dag` gives what is pending as a NetworkX graph."""

import io
import json

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
    assert graph.nodes[2]["dtype"] == "float64" and graph.nodes[2]["array_shape"] == "(3,)"
    assert graph.nodes[2]["size"] == 3 and graph.nodes[2]["nbytes"] == 24
    assert graph.nodes[2]["label"] == "add float64[3]" and "test_pending_graph.py" in graph.nodes[2]["place"]
    number = next(node for _, node in graph.nodes(data=True) if node["op"] == "number")
    assert number["number"] == "2" and number["label"] == "2" and "array_shape" not in number
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


def many_kinds():
    """A graph with records, dates, text, and numbers of many types."""
    x, records = np.linspace(0.0, 1.0, 1000), np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    return np.dag((np.sqrt(x + 1) * x[::2].sum()).reshape(10, 100)[:, 3:].mean(axis=1), np.arange(3) * (1 + 2j),
                  records["b"] * 2.5, np.array(["2020-01-01"], "M8[D]") + np.timedelta64(3, "D"),
                  np.arange(3, dtype="f4") * np.float32(np.inf) + True,
                  np.where(x < 0.5, "a\0b", np.array("c")))


def written(write, graph):
    file = io.BytesIO()
    write(graph, file)
    file.seek(0)
    return file


def test_graphs_are_written_to_files_with_all_that_they_carry():
    graph = many_kinds()
    nodes, edges = dict(graph.nodes(data=True)), sorted(graph.edges(keys=True))
    again = networkx.node_link_graph(json.loads(json.dumps(networkx.node_link_data(graph))))
    assert dict(again.nodes(data=True)) == nodes and sorted(again.edges(keys=True, data="view")) == \
        sorted(graph.edges(keys=True, data="view"))
    again = networkx.read_graphml(written(networkx.write_graphml, graph), int, int, force_multigraph=True)
    assert dict(again.nodes(data=True)) == nodes and sorted(again.edges(keys=True)) == edges
    again = networkx.read_gexf(written(networkx.write_gexf, graph), node_type=int)
    assert dict(again.nodes(data=True)) == nodes and sorted((u, v) for u, v, _ in edges) == sorted(again.edges())
    again = networkx.read_gml(written(networkx.write_gml, graph), label="id")
    assert {n: node["op"] for n, node in again.nodes(data=True)} == {n: node["op"] for n, node in nodes.items()}


def test_attributes_are_no_words_of_graphviz():
    pydot = pytest.importorskip("pydot")
    graph = many_kinds()
    text = networkx.nx_pydot.to_pydot(graph).to_string()
    again = networkx.nx_pydot.from_pydot(pydot.graph_from_dot_data(text)[0])
    assert len(again) == len(graph) and "shape" not in {name for _, node in graph.nodes(data=True) for name in node}
