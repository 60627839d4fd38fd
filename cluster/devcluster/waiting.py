"""Waiting for something to become true, with a word every few seconds and an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from devcluster.errors import ProcessError
from devcluster.files import PROGRESS_SECONDS
from devcluster.processes import Daemon, last_words

Progress: TypeAlias = Callable[[str], None]

POLL_SECONDS = 0.05


def wait_until(
    check: Callable[[], bool], *, what: str, within: float, needs: Sequence[Daemon], progress: Progress
) -> None:
    """Wait until `check` holds.

    Args:
        check: what is waited for; must not raise.
        what: how the thing is called, such as "kube-apiserver to be ready".
        within: seconds until it counts as failed.
        needs: the processes without which it cannot come true.
        progress: told every few seconds what is waited for.

    Raises:
        ProcessError: one of the processes ended, or the time is over.
    """
    begun = time.monotonic()
    said = begun
    while not check():
        now = time.monotonic()
        for daemon in needs:
            if daemon.running() is None:
                raise ProcessError(daemon.obituary())
        if now - begun > within:
            told = " ".join(last_words(daemon.log_file) for daemon in needs[:1])
            message = f"Waited {within:.0f} s in vain for {what}. {told}"
            raise ProcessError(message)
        if now - said >= PROGRESS_SECONDS:
            said = now
            progress(f"waiting for {what} ({now - begun:.0f} s)")
        time.sleep(POLL_SECONDS)
