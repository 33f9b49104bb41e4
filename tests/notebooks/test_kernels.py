"""Kernels of the runner start whatever other programs do with the machine's ports."""

import os
import socket
from types import SimpleNamespace

import nbformat
import pytest

from rpstn.notebooks import kernels
from rpstn.notebooks.execute import execute

LOOK = """
from ipykernel.connect import get_connection_info

print(get_connection_info(unpack=True)["transport"])
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a notebook that prints how its kernel is reached; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LOOK)])
        with kernels.kernel() as name:
            assert execute(notebook, {}, tmp_path / "out.ipynb", tmp_path / "failed.ipynb", name) is None
        return nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1].outputs[0].text.strip()

    return run


@pytest.fixture
def taken(monkeypatch):
    """Ports that Jupyter found free, each taken before the kernel comes; `left` is how many more are."""
    ports = SimpleNamespace(left=0, sockets=[])

    class Taken(socket.socket):
        def close(self):
            ports.left -= 1
            if ports.left < 0:
                return super().close()
            ports.sockets.append(self)

    known = {name: getattr(socket, name) for name in ("SOL_SOCKET", "SO_LINGER")}
    monkeypatch.setattr("jupyter_client.connect.socket", SimpleNamespace(socket=Taken, **known))
    yield ports
    ports.left = 0
    for held in ports.sockets:
        held.close()


@pytest.mark.skipif(os.name == "nt", reason="no socket files")
def test_a_kernel_needs_no_port(run, taken):
    """Jupyter chooses ports that are free and lets go of them; whoever takes one before the kernel does ends it."""
    taken.left = 1000
    assert run() == "ipc"
    assert not taken.sockets


def test_where_there_are_only_ports_a_taken_one_is_no_end(run, taken, monkeypatch):
    monkeypatch.setattr("zmq.has", lambda name: False)
    taken.left = 5
    assert run() == "tcp"
    assert len(taken.sockets) == 5


def test_starts_have_an_end(run, taken, monkeypatch):
    monkeypatch.setattr("zmq.has", lambda name: False)
    monkeypatch.setattr(kernels, "STARTS", 1)
    taken.left = 1000
    with pytest.raises(RuntimeError, match="died before replying"):
        run()


def test_names_of_socket_files_fit(tmp_path, monkeypatch):
    """A temporary folder may lie deep, as on macOS; the folder of the sockets is removed."""
    import zmq

    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with kernels.transport() as options:
        if options:  # there are systems without /tmp
            assert len(options["ip"] + "-5") <= zmq.IPC_PATH_MAX_LEN
            folder = os.path.dirname(options["ip"])
            assert os.listdir(folder) == []
    assert not options or not os.path.exists(folder)
