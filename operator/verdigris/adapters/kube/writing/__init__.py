"""What is done: a plan carried out action by action, the status, Events. What differs and is ours, only."""
