"""Real browsers for the page's tests: headless Chromium (DevTools protocol) and Firefox (WebDriver BiDi).

Both are driven over one WebSocket on this machine, with real mouse moves and key presses; nothing else is installed and
nothing leaves the machine. `Browser.run` evaluates JavaScript and returns its value; `errors` collects what the console
and uncaught exceptions report, `requests` every address that is asked for.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

FOUND = {
    "chromium": next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None),
    "firefox": next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None),
}
LIMIT = 60.0  # seconds to start, or to answer


class WebSocket:
    """The client's side of RFC 6455, as much as two browsers need: text messages, pings answered."""

    def __init__(self, address: str):
        url = urlsplit(address)
        assert url.hostname and url.port
        self.socket = socket.create_connection((url.hostname, url.port), timeout=LIMIT)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {url.path} HTTP/1.1", f"Host: {url.netloc}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]  # fmt: skip
        self.socket.sendall("\r\n".join(lines).encode())
        self.stream = self.socket.makefile("rb")
        status = self.stream.readline()
        assert b"101" in status, status
        while self.stream.readline().strip():
            pass

    def send(self, text: str, opcode: int = 1) -> None:
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        head = bytes([0x80 | opcode]) + (
            bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size) if size < 65536
            else bytes([0x80 | 127]) + struct.pack(">Q", size)
        )  # fmt: skip
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def receive(self) -> str:
        message = b""
        while True:
            first, second = self.stream.read(2)
            size = second & 127
            if size > 125:
                size = int.from_bytes(self.stream.read(2 if size == 126 else 8), "big")
            data = self.stream.read(size)
            if first & 15 == 8:
                raise ConnectionError("the browser closed the connection")
            if first & 15 == 9:
                self.send(data.decode(), 10)
                continue
            message += data
            if first & 128:
                return message.decode()


class Browser:
    """A browser and one page in it."""

    name = ""

    KEYS: ClassVar[dict[str, Any]] = {}

    def __init__(self, command: list[str], announced: str):
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace", env={**os.environ, "MOZ_HEADLESS": "1"})  # fmt: skip
        assert self.process.stderr
        end, address = time.monotonic() + LIMIT, None
        while address is None and time.monotonic() < end:
            line = self.process.stderr.readline()
            found = re.search(announced, line)
            address = found[1] if found else None
            if not line and self.process.poll() is not None:
                break
        if address is None:
            self.close()
            raise RuntimeError(f"{command[0]} did not start")
        # Whatever else it prints must not fill the pipe, or the browser waits for us.
        self.reader = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.reader.start()
        self.socket = WebSocket(self.where(address))
        self.number = 0

    @staticmethod
    def where(address: str) -> str:
        return address

    def call(self, method: str, params: dict[str, Any] | None = None, **more: Any) -> Any:
        """Send a command and wait for its answer; what else arrives is noted."""
        self.number += 1
        mine = self.number
        self.socket.send(json.dumps({"id": mine, "method": method, "params": params or {}, **more}))
        while True:
            message = json.loads(self.socket.receive())
            if message.get("id") == mine:
                assert "result" in message, message
                return message["result"]
            if "method" in message:
                self.note(message["method"], message["params"])

    def note(self, method: str, params: dict[str, Any]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        if hasattr(self, "reader"):
            self.reader.join(10)
        if self.process.stderr:
            self.process.stderr.close()
        if hasattr(self, "socket"):
            self.socket.stream.close()
            self.socket.socket.close()

    # What the tests use.

    def open(self, url: str) -> None:
        raise NotImplementedError

    def run(self, script: str) -> Any:
        raise NotImplementedError

    def key(self, name: str) -> None:
        raise NotImplementedError

    def mouse(self, x: float, y: float, click: bool = False) -> None:
        raise NotImplementedError

    def picture(self) -> bytes:
        raise NotImplementedError

    def point(self, element: str, click: bool = False) -> None:
        """Move the mouse onto the element that a JavaScript expression names."""
        x, y = self.run(
            f"const e = {element}; e.scrollIntoView({{block: 'center'}}); let r = e.getBoundingClientRect();"
            "if (e.tagName === 'path') { const p = e.getPointAtLength(e.getTotalLength() / 2), m = e.getScreenCTM();"
            "return [p.x * m.a + p.y * m.c + m.e, p.x * m.b + p.y * m.d + m.f]; }"
            "return [r.x + r.width / 2, r.y + r.height / 2];"
        )
        self.mouse(x, y, click)


class Chromium(Browser):
    name = "chromium"
    KEYS: ClassVar[dict[str, Any]] = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35, "Tab": 9, "Enter": 13}

    def __init__(self, home: Path, size: tuple[int, int] = (1400, 1000)):
        super().__init__(
            [
                str(FOUND["chromium"]),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--remote-debugging-port=0",
                f"--user-data-dir={home}",
                f"--window-size={size[0]},{size[1]}",
                "about:blank",
            ],
            r"DevTools listening on (ws://\S+)",
        )
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self.loaded = False
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.page(f"{domain}.enable")
        self.page(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
        )

    def page(self, method: str, **params: Any) -> Any:
        return self.call(method, params, sessionId=self.session)

    def note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def open(self, url: str) -> None:
        self.page("Page.navigate", url="about:blank")
        self.loaded = False
        self.requests.clear()
        self.page("Page.navigate", url=url)
        end = time.monotonic() + LIMIT
        while not self.run("return document.readyState === 'complete' && location.href !== 'about:blank';"):
            assert time.monotonic() < end
            time.sleep(0.02)

    def run(self, script: str) -> Any:
        found = self.page("Runtime.evaluate", expression=f"(function () {{ {script} }})()", returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def key(self, name: str) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.page("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=self.KEYS[name])

    def mouse(self, x: float, y: float, click: bool = False) -> None:
        for kind in ("mouseMoved", *(("mousePressed", "mouseReleased") if click else ())):
            button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
            self.page("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def picture(self) -> bytes:
        return base64.b64decode(self.page("Page.captureScreenshot", captureBeyondViewport=True)["data"])


class Firefox(Browser):
    name = "firefox"
    KEYS: ClassVar[dict[str, Any]] = {
        "ArrowRight": "\ue014",
        "ArrowLeft": "\ue012",
        "Home": "\ue011",
        "End": "\ue010",
        "Tab": "\ue004",
        "Enter": "\ue007",
    }

    def __init__(self, home: Path, size: tuple[int, int] = (1400, 1000)):
        home.mkdir(parents=True, exist_ok=True)
        quiet = {
            "datareporting.policy.dataSubmissionEnabled": "false",
            "app.update.disabledForTesting": "true",
            "browser.startup.homepage_override.mstone": '"ignore"',
            "network.captive-portal-service.enabled": "false",
            "network.connectivity-service.enabled": "false",
            "browser.safebrowsing.update.enabled": "false",
            "services.settings.server": '"data:,"',
            "remote.active-protocols": "1",
        }
        (home / "user.js").write_text("".join(f'user_pref("{k}", {v});\n' for k, v in quiet.items()))
        super().__init__(
            [str(FOUND["firefox"]), "--headless", "--no-remote", "--profile", str(home), "--remote-debugging-port=0",
             "--width", str(size[0]), "--height", str(size[1])],
            r"WebDriver BiDi listening on (ws://\S+)",
        )  # fmt: skip
        self.call("session.new", {"capabilities": {}})
        # In a tab of its own: in the first one the keyboard belongs to the address bar.
        self.context = self.call("browsingContext.create", {"type": "tab"})["context"]
        self.call("browsingContext.activate", {"context": self.context})
        self.call("session.subscribe", {"events": ["log.entryAdded", "network.beforeRequestSent"]})
        viewport = {"width": size[0], "height": size[1]}
        self.call("browsingContext.setViewport", {"context": self.context, "viewport": viewport})

    @staticmethod
    def where(address: str) -> str:
        return address.rstrip("/") + "/session"

    def note(self, method: str, params: dict[str, Any]) -> None:
        if method == "log.entryAdded" and params["level"] == "error":
            self.errors.append(str(params["text"]))
        elif method == "network.beforeRequestSent":
            self.requests.append(params["request"]["url"])

    def open(self, url: str) -> None:
        self.call("browsingContext.navigate", {"context": self.context, "url": "about:blank", "wait": "complete"})
        self.requests.clear()
        self.call("browsingContext.navigate", {"context": self.context, "url": url, "wait": "complete"})

    def run(self, script: str) -> Any:
        found = self.call("script.evaluate", {
            "expression": f"JSON.stringify((function () {{ {script} }})())", "awaitPromise": False,
            "target": {"context": self.context},
        })  # fmt: skip
        assert found["type"] == "success", found
        return json.loads(found["result"]["value"]) if found["result"]["type"] == "string" else None

    def _perform(self, kind: str, actions: list[dict[str, Any]]) -> None:
        self.call(
            "input.performActions",
            {"context": self.context, "actions": [{"type": kind, "id": kind, "actions": actions}]},
        )

    def key(self, name: str) -> None:
        self._perform("key", [{"type": t, "value": self.KEYS[name]} for t in ("keyDown", "keyUp")])

    def mouse(self, x: float, y: float, click: bool = False) -> None:
        press: list[dict[str, Any]] = [{"type": t, "button": 0} for t in ("pointerDown", "pointerUp")]
        self._perform("pointer", [{"type": "pointerMove", "x": round(x), "y": round(y)}, *(press if click else [])])

    def picture(self) -> bytes:
        shot = self.call("browsingContext.captureScreenshot", {"context": self.context, "origin": "document"})
        return base64.b64decode(shot["data"])


def start(name: str, home: Path) -> Browser:
    return Chromium(home) if name == "chromium" else Firefox(home)
