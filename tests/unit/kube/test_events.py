"""Events written over HTTP, where the answer is not the API server's."""

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from tests.unit.kube.test_client import served

from kubemacpool.kube.events import EventRecorder
from kubemacpool.ports.events import Regarding

REGARDING = Regarding("v1", "ConfigMap", "ns", "range", "uid-1")


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"metadata":{"name":"\xff"}}', b"[" * 100_000],
    ids=["a proxy's page", "no UTF-8", "deep"],
)
async def test_an_answer_that_is_no_event_is_logged_and_the_next_event_is_written_all_the_same(body: bytes) -> None:
    written: list[bytes] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        written.append(await request.read())
        return web.Response(body=body)

    async with served(handler) as client:
        recorder = EventRecorder(client)
        recorder.warn(REGARDING, "InvalidRange", "first")
        recorder.warn(REGARDING, "InvalidRange", "second")
        with capture_logs() as logs:
            await recorder.write_due()
    assert [b"first" in written[0], b"second" in written[1], len(written)] == [True, True, 2]
    assert [entry["error"].split(" (")[0] for entry in logs] == ["not an Event"] * 2
