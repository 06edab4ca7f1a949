"""What a program is: nodes, operations, layouts, dtypes, and the graph that the compiler works on."""
