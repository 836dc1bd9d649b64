"""kerbside's control side, as far as its relay asks for it: any ticket is good, every record is welcome.

``.venv-bench/bin/python bench/kerbside_control.py SOCKET SCREEN_PORT``. kerbside's own daemon answers the same questions (its
``rpc/kerbside.proto``) from a database, as our manager does; neither is measured. The relay is the program that is.
"""

import sys
import threading
from concurrent import futures

import grpc
from kerbside.rpc import kerbside_pb2 as messages
from kerbside.rpc import kerbside_pb2_grpc as service

_HEARTBEAT_SECONDS = 30


class Control(service.KerbsideProxyServicer):  # type: ignore[misc] # kerbside has no types; it is in an environment of its own
    """Leads every connection to one screen."""

    def __init__(self, screen_port: int) -> None:
        self._target = messages.Target(
            hypervisor="127.0.0.1",
            hypervisor_ip="127.0.0.1",
            insecure_port=screen_port,
            source="bench",
            uuid="bench",
            session_id="bench",
        )

    def AuthorizeConnection(self, request: object, context: object) -> object:  # noqa: N802 # as kerbside.proto has it
        return messages.AuthorizeConnectionReply(
            target=self._target, firewall_policy=messages.FirewallPolicy(mode=messages.FirewallPolicy.ENFORCE)
        )

    def RegisterChannel(self, request: object, context: object) -> object:  # noqa: N802 # as kerbside.proto has it
        return messages.StatusReply(success=True)

    RecordAuditEvent = DeregisterChannel = ClearNodeChannels = RegisterChannel

    def ProxyControl(self, request: object, context: object) -> object:  # noqa: N802 # as kerbside.proto has it
        over = threading.Event()
        context.add_callback(over.set)  # type: ignore[attr-defined] # a ServicerContext
        while not over.is_set():
            yield messages.ProxyControlEvent(heartbeat=messages.Heartbeat())
            over.wait(_HEARTBEAT_SECONDS)


def main() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    service.add_KerbsideProxyServicer_to_server(Control(int(sys.argv[2])), server)
    server.add_insecure_port(f"unix:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
