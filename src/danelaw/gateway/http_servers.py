"""What a gateway in one process serves over HTTP; with workers the control process does (`danelaw.gateway.desk`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.gateway.quarantine_web import Act, QuarantineWeb, quarantine_web
from danelaw.gateway.safety_api import SafetyAPI, safety_api
from danelaw.gateway.tls_report_web import TLSReportWeb, tls_report_web
from danelaw.telemetry import HTTPServer, Log, Metrics

if TYPE_CHECKING:
    from danelaw.config import Config


class HTTPServers:
    """Numbers and health, the links of quarantine notices, the safety API, and TLS reports of others: each where it is
    configured. `act` does what a link says; `clock` gives POSIX seconds.
    """

    def __init__(self, config: Config, log: Log, metrics: Metrics, act: Act, clock: Callable[[], float]) -> None:
        self._config = config
        self._log = log
        self._metrics = metrics
        self._act = act
        self._clock = clock
        self.numbers: HTTPServer | None = None
        self.quarantine: QuarantineWeb | None = None
        self.quarantine_address: tuple[str, int] | None = None
        self.safety: SafetyAPI | None = None
        self.safety_address: tuple[str, int] | None = None
        self.tls_reports: TLSReportWeb | None = None

    async def start(self, ready: Mapping[str, Callable[[], str | None]]) -> None:
        """Listen; `ready` says by part what keeps it from its work, None for nothing. Raises `DanelawError`."""
        await self._start_numbers(ready)
        self.quarantine = quarantine_web(self._config, self._act, self._log, self._clock)
        if self.quarantine is not None:
            self.quarantine_address = await self.quarantine.listen()
        self.safety = safety_api(self._config, self._log, self._answered, self._clock)
        if self.safety is not None:
            self.safety_address = await self.safety.listen()
        self.tls_reports = tls_report_web(self._config, self._log, self._metrics, self._clock)
        if self.tls_reports is not None:
            await self.tls_reports.listen()

    async def _start_numbers(self, ready: Mapping[str, Callable[[], str | None]]) -> None:
        listen = self._config.http.listen
        if listen is None:
            return
        self.numbers = HTTPServer(self._metrics, healthy={"loop": lambda: None}, ready=ready)
        try:
            await self.numbers.start(listen.host, listen.port)
        except OSError as error:
            raise DanelawError(
                f"cannot listen on {listen} for [http]: {error.strerror or error}", advice="choose another port"
            ) from None

    def configure(self, config: Config) -> None:
        """Take over what a reload changes."""
        if self.safety is not None:
            self.safety.configure(config)

    async def close(self) -> None:
        """Stop all that were started."""
        for server in (self.numbers, self.quarantine, self.safety, self.tls_reports):
            if server is not None:
                await server.close()

    def _answered(self, status: int, state: str) -> None:
        self._metrics.safety_answers.add(str(status), state)
