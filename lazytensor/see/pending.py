"""`dag`: what is pending as a NetworkX graph, for whatever one may want to ask of it, or to draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.capture import Busy, capture, pending
from ..ir.dag import build, networkx
from ..ir.node import Node
from ..run import floating
from .verify import node_of


def dag(*tensors: Any) -> Any:
    """The operations that computing these results would run, and what they read. Runs nothing.

    Parameters
    ----------
    *tensors : Tensor or lazy scalar

    Returns
    -------
    networkx.MultiDiGraph
        With a node for each pending operation, numbered from 0 in program order, and after these one for each array or
        number that is there. Nodes carry ``op`` (the operation's name; "input" or "number") and ``label`` (a text);
        operations and inputs ``dtype``, ``array_shape`` (both as text; ``shape`` is Graphviz's name for the form of a
        node), ``size`` and ``nbytes``; numbers ``number``, as text, and, if it is one of NumPy's, ``dtype``; operations
        ``place``, where the program wrote them. There is an edge from operand to user for each operand: its key is the
        operand's position, and ``view`` says whether the operand is a view of the node's value. An attribute is text,
        an int or a bool, the same everywhere, so that NetworkX writes the graph in any of its formats (JSON, GraphML,
        GEXF, GML, DOT).

    Raises
    ------
    RuntimeError
        If another thread is computing one of them.

    Examples
    --------
    >>> import lazytensor as np
    >>> x = np.arange(3.0)
    >>> graph = np.dag(np.exp(x * 2) + x)
    >>> [graph.nodes[i]["op"] for i in range(3)], graph.number_of_edges()
    (['multiply', 'exp', 'add'], 5)
    """
    try:
        waiting = pending([node_of(t) for t in tensors])
    except Busy:
        raise RuntimeError("dag: another thread is computing this; realize it first, there is nothing pending then"
                           ) from None
    captured = capture(waiting) if waiting else None
    if captured is None:
        return networkx().MultiDiGraph()
    graph = build(captured).graph
    for *_, edge in graph.edges(data=True):
        edge["view"] = edge["view"] is not None
    for number, found in graph.nodes(data=True):
        op = found.pop("value").op
        operation = number < len(captured.nodes)
        node = captured.nodes[number] if operation else captured.leaves[number - len(captured.nodes)]
        if isinstance(node, Node):
            name = op.called if operation else "input"
            size = math.prod(node.shape)
            found |= {"op": name, "dtype": str(node.dtype), "array_shape": str(node.shape), "size": size,
                      "nbytes": size * node.dtype.itemsize,
                      "label": f"{name} {node.dtype}{list(node.shape)}"}
        else:
            text = repr(node) if isinstance(node, str | bytes) else str(node)  # XML takes no control characters
            found |= {"op": "number", "number": text, "label": repr(node)}
            if isinstance(node, np.generic):
                found["dtype"] = str(node.dtype)
        if operation:
            found["place"] = floating.place(node)
    return graph
