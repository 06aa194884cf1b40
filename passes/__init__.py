"""The passes, one module each. `graphopt.rewrite.available_passes` finds them by name.

Rules must not undo each other, and the order in which they are tried should not matter. On the programs of
tests/passes/test_shuffled.py, twenty shuffled orders of rules and nodes lead to the same graph text for each of
`canonicalize,cse`; `fix{stabilize,cse,canonicalize}`; `fix{algebra,cse,canonicalize}`; and the default pipeline up to
`dead-code`. That is tested, not proved. `fast-math` and `cancel` promise nothing of the kind.
"""
