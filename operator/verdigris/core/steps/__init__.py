"""One module a kind of step of a rollout. What holds for all steps belongs to the engine."""
