"""The same faults given to Verdigris and to a plain Deployment: who ends, how soon, and what the clients notice."""
