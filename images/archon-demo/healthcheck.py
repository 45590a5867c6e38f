"""Ask the service in this container for its health: healthcheck.py. Prints its answer, which the engine keeps.

It is started every two seconds in each of four containers. So nothing is loaded but a socket.
"""

import socket
import sys

# As in archon_demo.py, by the argument that the container was started with.
PORTS = {"server": 8181, "mcp": 8051, "agents": 8053, "ui": 3737}
ALLOWED_S = 8


def main() -> int:
    with open("/proc/1/cmdline", "rb") as stream:
        words = stream.read().decode().split("\0")
    port = next((PORTS[word] for word in words if word in PORTS), PORTS["server"])
    try:
        with socket.create_connection(("127.0.0.1", port), ALLOWED_S) as connection:
            connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError as error:
        print(error)
        return 1
    head, _end, body = answer.partition(b"\r\n\r\n")
    print(body.decode(errors="replace"))
    return 0 if head.split(b" ")[1:2] == [b"200"] else 1


if __name__ == "__main__":
    sys.exit(main())
