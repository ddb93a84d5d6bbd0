"""Values as HTML. PURE: the time is an argument, and nothing is asked."""
