"""The passes, one module each. `graphopt.rewrite.available_passes` finds them by name."""
