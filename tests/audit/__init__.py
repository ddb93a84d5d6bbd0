"""The audit log: its format, its files, what is recorded, and what its command line says."""
