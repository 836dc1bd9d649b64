"""Unix sockets work in folders of any depth."""

import socket
from pathlib import Path

import pytest

from yunzhuo.host import sockets


def test_a_socket_far_down_can_be_made_and_reached(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    folder.mkdir(parents=True)
    path = folder / "host.sock"
    assert len(str(path)) > 200
    with sockets.listen(path) as server:
        assert path.stat().st_mode & 0o777 == 0o600
        with sockets.connect(path) as client:
            client.setblocking(True)
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(b"hello")
                assert client.recv(5, socket.MSG_WAITALL) == b"hello"
    with sockets.listen(path):
        pass


def test_nobody_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sockets.connect(tmp_path / "nobody.sock")
    with pytest.raises(FileNotFoundError):
        sockets.connect(tmp_path / "nowhere" / "nobody.sock")
    with sockets.listen(tmp_path / "left.sock"):
        pass
    with pytest.raises(ConnectionRefusedError):
        sockets.connect(tmp_path / "left.sock")
