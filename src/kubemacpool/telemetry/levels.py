"""What is written to the log, and how. Alone, because settings know of it, and structlog takes long to import."""

from typing import Literal

LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]
