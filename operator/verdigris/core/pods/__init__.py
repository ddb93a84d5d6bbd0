"""What is the matter with pods, what is done about it, and whether new ones fit."""
