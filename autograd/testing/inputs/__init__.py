"""Random inputs of operations: what is declared of their arguments, and how calls are drawn from that."""
