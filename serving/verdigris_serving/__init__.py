"""The model server, its init step and the artifact tools. Nothing of Kubernetes or of the operator belongs here.

Layers, top to bottom (an import only points down): ``server`` → ``serve | fetch`` → ``http | fetching`` →
``protocol | artifact`` → ``model``.
"""

__version__ = "0.1.0"
