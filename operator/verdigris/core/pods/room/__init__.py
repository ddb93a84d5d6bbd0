"""Whether pods fit: what they need, which nodes take them, what quotas leave."""
