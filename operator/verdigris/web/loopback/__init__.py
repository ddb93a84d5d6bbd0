"""`kubectl verdigris dashboard`: the page on this machine alone, with the caller's own rights, by kubectl."""
