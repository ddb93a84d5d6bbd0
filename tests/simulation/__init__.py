"""The operator's own loop on a virtual clock, disturbed at each of its calls: only simulations of the whole belong here."""
