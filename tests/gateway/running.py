"""A gateway as a process of its own, as it runs in an installation; what it logs is kept and read."""

import asyncio
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from yunzhuo.gateway.config import GatewayConfig, to_toml

KEY = "the-gateways-own-key-0123456789"

_MAIN = """
import sys
from pathlib import Path
from yunzhuo.gateway.config import load
from yunzhuo.gateway.server import run
if __name__ == "__main__":
    file = Path(sys.argv[1])
    sys.exit(run(load(file), supervised=sys.argv[2] == "supervised", read_config=lambda: load(file)))
"""


@dataclass
class RunningGateway:
    """``port`` and ``private_port`` are where it really listens. ``log`` grows while it runs."""

    process: asyncio.subprocess.Process
    log: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    port: int = 0
    private_port: int = 0
    _reading: "asyncio.Task[None] | None" = None

    @classmethod
    async def start(cls, config: GatewayConfig, folder: Path, *, supervised: bool = True) -> "RunningGateway":
        """Starts it with ``config`` in ``folder``; returns when it listens."""
        gateway = await cls.launch(config, folder, supervised=supervised)
        gateway.port = _port(await gateway.logged("gateway_listening"))
        if config.private.enabled:
            gateway.private_port = _port(await gateway.logged("gateway_private_listening"))
        return gateway

    @classmethod
    async def launch(cls, config: GatewayConfig, folder: Path, *, supervised: bool = True) -> "RunningGateway":
        """Starts it; it may be that it does not come up."""
        main, file = folder / "gateway_main.py", folder / "gateway.toml"
        main.write_text(_MAIN)
        file.write_text(to_toml(config))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(main),
            str(file),
            "supervised" if supervised else "alone",
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        gateway = cls(process)
        gateway._reading = asyncio.create_task(gateway._read())
        return gateway

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.text += line.decode()
            if line.startswith(b"{"):
                self.log.append(json.loads(line))

    async def logged(self, event: str, timeout_seconds: float = 60) -> dict[str, Any]:
        """The first entry of the log with this name, once it is there."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                for entry in self.log:
                    if entry["event"] == event:
                        return entry
                assert self.process.returncode is None, f"the gateway ended: {self.text}"
                await asyncio.sleep(0.01)

    async def end(self, *, timeout_seconds: float = 60) -> int:
        """Lets the supervisor's end of its input go and waits for its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await self.ended(timeout_seconds=timeout_seconds)

    async def ended(self, *, timeout_seconds: float = 60) -> int:
        """The exit code, when it has ended by itself; a gateway that does not is killed and the test fails."""
        assert self._reading is not None
        try:
            async with asyncio.timeout(timeout_seconds):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise
        await self._reading
        return code

    async def get(self, path: str) -> httpx.Response:
        """An answer of the private listener."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{self.private_port}{path}")

    async def metric(self, name: str) -> float:
        """The value of one line of /metrics, labels included in its name."""
        text = (await self.get("/metrics")).text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).rsplit(" ", 1)[1])

    def memory_kib(self) -> int:
        """Resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def _port(entry: dict[str, Any]) -> int:
    return int(entry["address"].rsplit(":", 1)[1])
