"""The gates: ``python -m verdigris_serving.gate quality|fairness|smoke|load``, one verdict on one model, as a Job.

``docs/gates.md`` is the contract: what is asked, what is answered, the exit codes. Nothing here knows of Kubernetes.
"""
