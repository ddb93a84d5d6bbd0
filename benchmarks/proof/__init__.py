"""Ten thousand rollouts of each kind, given to the operator's judge: is it ever wrong, and does it see what it says?"""
