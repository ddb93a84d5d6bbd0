"""EFFECTS: how the world outside is spoken to. No rule of a rollout belongs here."""
