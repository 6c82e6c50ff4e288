"""Ports: where a device is reached. A pyserial URL (/dev/ttyACM0, COM5, rfc2217://...) or socket://HOST:PORT."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sdfa.errors import SdfaError
from sdfa.link.client import Link
from sdfa.link.remote import Remote

BAUD = 115200


class SocketStream:
    """A TCP connection, such as to an emulator's serial port. pyserial's own reads one byte at a time, and drops what
    has come when the other end closes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or not port:
            raise SdfaError(f"port {url}: write socket://HOST:PORT, such as socket://127.0.0.1:5555")
        try:
            self._socket = socket.create_connection((host, port), timeout=5)
        except OSError as error:
            raise SdfaError(
                f"port {url} cannot be opened: {error.strerror or error}: is the emulator running?"
            ) from None
        self._url = url
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        try:
            self._socket.settimeout(5)
            self._socket.sendall(data)
        except OSError as error:
            raise SdfaError(f"port {self._url}: {error.strerror or error}: the device is gone") from None

    def read(self, timeout_s: float) -> bytes:
        try:
            self._socket.settimeout(max(timeout_s, 1e-4))
            data = self._socket.recv(4096)
        except TimeoutError:
            return b""
        except OSError as error:
            raise SdfaError(f"port {self._url}: {error.strerror or error}: the device is gone") from None
        if not data:
            raise SdfaError(f"port {self._url}: the other end has closed it: the device is gone")
        return data

    def close(self) -> None:
        self._socket.close()


class SerialStream:
    """A port that pyserial knows, for this program alone."""

    def __init__(self, url: str, baud: int) -> None:
        self._url, self._serial = url, _serial()
        try:
            self._port = self._serial.serial_for_url(url, baudrate=baud, timeout=0, exclusive=_exclusive())
        except (OSError, ValueError) as error:
            raise SdfaError(_cannot_open(url, error)) from None

    def write(self, data: bytes) -> None:
        with self._told():
            self._port.write(data)
            self._port.flush()

    def read(self, timeout_s: float) -> bytes:
        with self._told():
            if self._port.timeout != timeout_s:
                self._port.timeout = timeout_s
            # of exact lengths: pyserial drops what it has read when the port goes away in between
            first = bytes(self._port.read(1))
            waiting = self._port.in_waiting if first else 0
            return first + bytes(self._port.read(waiting)) if waiting else first

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, TypeError) as error:  # SerialException is an OSError; a closed port gives a TypeError
            raise SdfaError(f"port {self._url}: {error}: the device is gone") from None

    def close(self) -> None:
        self._port.close()


def _serial() -> Any:
    try:
        import serial
    except ImportError:
        raise SdfaError("serial ports need pyserial: pip install sdfa[firmware]") from None
    return serial


def _exclusive() -> bool | None:
    return True if os.name == "posix" else None  # Windows gives a port to one program only, by itself


def _cannot_open(url: str, error: Exception) -> str:
    text = str(error)
    busy = "lock" in text or "busy" in text.lower() or "Access is denied" in text
    if re.fullmatch(r"[\w.-]*[A-Za-z.][\w.-]*:\d+|\[[0-9a-f:]+\]:\d+", url):
        return f"there is no serial port {url}: if it is a TCP port, write socket://{url}"
    missing = "No such file" in text or "FileNotFound" in text or getattr(error, "errno", None) == 2
    if missing:
        return f"port {url} is missing: is the board plugged in? `pytools device ports` lists what there is"
    if busy:
        return f"port {url} is busy: another program uses it (a serial monitor?): close that"
    return f"port {url} cannot be opened: {text}"


def port_names() -> list[tuple[str, str]]:
    """(URL, description) of the serial ports of this computer."""
    _serial()
    from serial.tools.list_ports import comports

    return sorted((str(p.device), str(p.description)) for p in comports())


Port = SocketStream | SerialStream


def open_port(url: str, baud: int = BAUD) -> Port:
    """SdfaError, in one line, when it is missing, busy or no port."""
    return SocketStream(url) if url.startswith("socket://") else SerialStream(url, baud)


def start_session(port: Port, timeout_s: float = 0.5) -> Remote:
    """A session of its own with the device at a port."""
    return Remote(Link(port, number=secrets.randbits(16), timeout_s=timeout_s), 1 + secrets.randbelow(2**32 - 1))


@contextlib.contextmanager
def connected(url: str, baud: int = BAUD, timeout_s: float = 0.5) -> Iterator[Remote]:
    """A session at a port that is closed again at the end."""
    port = open_port(url, baud)
    try:
        yield start_session(port, timeout_s)
    finally:
        port.close()
