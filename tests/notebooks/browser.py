"""A browser without a window: Chromium, spoken to by its DevTools protocol."""

import json
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.request import Request, urlopen

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 180  # seconds: other work on the machine makes anything slow, and a wait that is over costs nothing
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1000",
)  # fmt: skip


def wait_for(what, seconds, about):
    """The first true value of what(); an AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"waited {seconds} s for {about}"
        time.sleep(0.2)
    return found


class Page:
    """One tab."""

    def __init__(self, address):
        import websocket

        self._socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self._numbers = count(1)

    def call(self, method, **parameters):
        """One method of the protocol; events that come in between are passed over."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def run(self, script):
        """The value of an expression of JavaScript, awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def has(self, script):
        """Whether an expression is true; not while the page is being replaced by another, which ends its scripts."""
        with suppress(AssertionError):
            return self.run(f"!!({script})")  # an element of the page has no value that could be sent
        return False

    def open(self, address):
        self.call("Page.navigate", url=address)


@contextmanager
def open_page(profile: Path):
    """A tab of a browser of its own. profile: a fresh folder for it."""
    command = [CHROMIUM, *QUIET, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = profile / "DevToolsActivePort"
        wait_for(lambda: port.is_file() and port.read_text().strip(), PATIENCE, "Chromium")
        address = f"http://127.0.0.1:{port.read_text().split()[0]}/json/new"
        with urlopen(Request(address, method="PUT"), timeout=PATIENCE) as answer:
            yield Page(json.load(answer)["webSocketDebuggerUrl"])
    finally:
        browser.terminate()
        try:
            browser.wait(timeout=30)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait(timeout=30)
