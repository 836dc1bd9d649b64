"""What happens when a desktop is opened, in the order in which it does: the beginnings to look for in a recording, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.recording.calls import Call

_ENDPOINT = Call("host.api", "endpoint")


@dataclass(frozen=True, slots=True)
class Moment:
    """One process at work. ``asked_by`` and ``by`` say who set it off, and by which way; each of ``beginnings`` is a path to
    where its calls begin: an endpoint, a job, a task or a callback of the event loop."""

    process: str
    title: str
    asked_by: str
    by: str
    why: str
    beginnings: Sequence[tuple[Call, ...]]


STORY = (
    Moment(
        "web",
        "The wish is written down",
        "the browser",
        "`POST /api/v1/desktops`",
        "The route knows who asks and hands the wish on. The service checks it and writes desktop, operation, audit entry"
        " and event in one transaction; the message to the worker leaves after the commit. The answer is 202.",
        [
            (
                Call("web.server", "Front.__call__"),
                Call("web.transfers", "Transfers.__call__"),
                Call("webkit", "Intake.__call__"),
            ),
            (Call("webkit", "_user_of"),),
            (Call("web.api.desktops", "create"),),
        ],
    ),
    Moment(
        "worker",
        "One step after the other",
        "web, then itself",
        "the message `operation.advance`",
        "Each message is one look at the operation: take the lease, do its present step (server, running, ready), write"
        " down what came of it, and go on with the next one if that is due at once, under a lease of its own; else a message"
        " comes when it is.",
        [(Call("scheduler.jobs.operations", "advance"),)],
    ),
    Moment(
        "host",
        "The machine is made",
        "worker",
        "`POST /servers` on `run/host.sock`",
        "A clone of the golden: its disk is an overlay, its memory a private copy of the golden's. The sockets are opened first"
        " and handed to QEMU, which starts as its own user in the guests' network, takes in the golden's state and goes on. A"
        " program that waited in the golden hears who it is now (hostname, machine-id, SSH host keys, the time).",
        [
            (_ENDPOINT, Call("host.servers", "Servers.create")),
            (Call("host.power", "to_its_end"),),
            (Call("host.making", "Maker._write_down"),),
        ],
    ),
    Moment(
        "host",
        "Running? Ready?",
        "worker",
        "`GET` on `run/host.sock`",
        "The steps *running* and *ready* look at the machine. A young clone is waited for a moment, so that its being"
        " ready is told at once and not at the next look.",
        [(_ENDPOINT, Call("host.servers", "Servers.get")), (_ENDPOINT, Call("host.guest", "Guests.ready"))],
    ),
    Moment(
        "stream",
        "The page is told",
        "the browser, through web",
        "`GET /api/v1/events`",
        "Every transaction above left an event. The table is read once for everybody, and what is new goes to those whom"
        " it concerns.",
        [
            (Call("web.stream", "EventStream.__call__"),),
            (Call("web.event_hub", "Door.user"),),
            (Call("services.events", "EventService.after"),),
            (Call("web.event_hub", "EventHub._read"),),
        ],
    ),
    Moment(
        "web",
        "A ticket",
        "the browser",
        "`POST /api/v1/desktops/ID/connections`",
        "The desktop has to be there for the asker before anything else is said. The ticket's digest is stored, the"
        " ticket told once.",
        [(Call("web.api.desktops", "checked"),)],
    ),
    Moment(
        "gateway",
        "At the door",
        "the browser",
        "WebSocket `/v1/console`, the ticket as subprotocol",
        "The request is read in bounded time and memory, and the ticket shown to the manager; only then is the screen called.",
        [
            (Call("gateway.door", "Door.connection_made"),),
            (Call("gateway.door", "Door.data_received"),),
            (Call("gateway.door", "Door._admit"),),
        ],
    ),
    Moment(
        "web",
        "The ticket is spent",
        "gateway",
        "`POST /internal/gateway/redeem`, with the gateway's key",
        "The gateway has to be known. The ticket is spent by one compare-and-set, whatever follows; then the cloud says"
        " where the screen is.",
        [(Call("web.gateway_api", "know_gateway"),), (Call("web.gateway_api", "redeem"),)],
    ),
    Moment(
        "host",
        "Where the screen is",
        "web",
        "`GET` on `run/host.sock`",
        "The unix socket of the machine's VNC server, and its password.",
        [(_ENDPOINT, Call("host.servers", "Servers.console"))],
    ),
    Moment(
        "gateway",
        "The screen",
        "QEMU and the browser",
        "VNC (RFB)",
        "The gateway gives the password to the machine's VNC server and asks the browser for none. After the handshakes"
        " it only passes bytes on: the browser's frames are unpacked on the way in, the screen's bytes packed on the way"
        " out.",
        [
            (Call("gateway.screen", "_SecurityProtocol.connection_made"),),
            (Call("gateway.screen", "_SecurityProtocol.data_received"),),
            (Call("gateway.viewer", "FramedViewer.buffer_updated"),),
            (Call("gateway.relay", "_Screen.buffer_updated"),),
        ],
    ),
)

# Asked for so often that they hide what is done; with what is below them. Each is a call, or one within others.
SMALL_TALK = frozenset(
    {
        (Call("host.store", "ServerRecord.but"),),
        (Call("services.accounts", "UserView.actor"),),
        (Call("webkit", "BoundedJSON.loads"),),
        (Call("webkit", "sane_or_new"),),
        (Call("webkit", "services"),),
    }
)

# Whether these are called depends on how fast the computer is just then, or was when the golden was made.
BY_CHANCE = frozenset(
    {
        (Call("gateway.pipe", "Pipe.give"),),
        (Call("gateway.pipe", "Pipe.take"),),
        (Call("gateway.relay", "_Screen.look_again"),),
        (Call("host.guest_agent", "GuestAgent.ended"),),
        (Call("host.guest_agent", "GuestAgent.run"),),
        (Call("host.guest_agent", "GuestAgent.start"),),
        (Call("host.readiness", "Readiness.wait_until_ready"),),
        (Call("host.server_secrets", "Identity.for_port"),),
        (Call("host.server_secrets", "Identity.for_program"),),
        # What is known of who listens is read anew when it is two seconds old.
        (Call("services.notice_book", "NoticeBook.is_told"), Call("phoenix.db", "Database.reading")),
        # A machine that is not there at the first look is looked at again, in a job of its own.
        (
            Call("services.operations", "OperationEngine.advance"),
            Call("phoenix.db", "Database.transaction"),
            Call("phoenix.queue", "Queue.send"),
        ),
        (Call("services.outcomes", "Subject.look_again_seconds"),),
        (Call("services.rules", "check_delay_seconds"),),
        (Call("services.rules", "retry_delay_seconds"),),
        (Call("web.event_hub", "EventHub.unsubscribe"),),
    }
)
