"""A user of a memory cloud in a process of its own: ``program.py HOME VERB ARGUMENTS``, told to start by a line on stdin."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from yunzhuo.phoenix.cloud import memory
from yunzhuo.phoenix.cloud.memory import MemoryCloud
from yunzhuo.phoenix.cloud.resources import ServerRequest
from yunzhuo.phoenix.config.settings import CloudSettings, Settings


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def request(tag: str) -> ServerRequest:
    return ServerRequest(desktop_id=tag, name=tag, hostname="host", image_id="linux-desktop", flavor_id="small")


def create_all(cloud: MemoryCloud, number: str) -> None:
    """Create the tags 0 to ``number``, four at once, and print their servers' ids in order."""
    with ThreadPoolExecutor(4) as threads:
        servers = threads.map(lambda tag: cloud.servers.create(request(str(tag))), range(int(number)))
        say(" ".join(server.id for server in servers))


def create_one(cloud: MemoryCloud, tag: str) -> None:
    """Create one server."""
    say(cloud.servers.create(request(tag)).id)


def churn(cloud: MemoryCloud) -> None:
    """Create and delete without an end."""
    for number in count():
        server = cloud.servers.create(request(f"churn {number % 7}"))
        if number % 7 >= 4:
            cloud.servers.delete(server.id)


def main(home: str, verb: str, *arguments: str) -> None:
    cloud = memory.connect(Settings(home=Path(home), cloud=CloudSettings(driver="memory")))
    say("ready")
    sys.stdin.readline()
    verbs: dict[str, Callable[..., None]] = {"create_all": create_all, "create_one": create_one, "churn": churn}
    verbs[verb](cloud, *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
