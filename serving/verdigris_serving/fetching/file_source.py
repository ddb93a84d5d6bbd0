"""A file of this container: one of the image, or of a volume that is mounted into it (``pvc://``)."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from verdigris_serving.fetching.port import Resume, Source, safe_uri
from verdigris_serving.reasons import Reason, ServingError


class FileOpener:
    """``file:///PATH``."""

    def __init__(self, uri: str) -> None:
        self._where = safe_uri(uri)
        self._path = Path(unquote(urlsplit(uri).path))

    def open(self, timeout: float, resume: Resume | None) -> Source:  # noqa: ARG002 - a file is never resumed
        """The file from its first byte."""
        path = self._path
        try:
            file = path.open("rb")
            return Source(self._where, file, os.fstat(file.fileno()).st_size)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ServingError(
                Reason.ARTIFACT_NOT_FOUND,
                f"there is no file {path} in this container. Check spec.model.uri and the claim.",
            ) from error
        except OSError as error:
            raise ServingError(Reason.ARTIFACT_UNREACHABLE, f"{path} cannot be opened: {error.strerror}.") from error
