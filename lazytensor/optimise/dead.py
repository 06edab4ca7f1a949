"""Dead code: what nobody reads and nobody holds is not computed."""

from __future__ import annotations

from ..ir.dag import Dag


def dead_code(dag: Dag) -> Dag:
    """Without operations that no other reads and that are not kept, and without leaves that are not read any more.

    Mutating operations stay, whoever reads them.
    """
    stack = [number for number, value in dag.values()
             if not dag.users(number) and not value.kept and value.kind != "mutate"]
    if not stack:
        return dag
    dag = dag.copy()
    while stack:
        number = stack.pop()
        operands = {operand.number for operand in dag.operands(number)}
        dag.remove(number)
        for n in sorted(operands):
            value = dag.value(n)
            if not dag.users(n) and not value.kept and value.kind != "mutate":
                stack.append(n)
    return dag
