"""What the evidence says about a version: counts in, verdict out. No judge knows how a rollout goes on."""
