# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's side says: the engine's kind, its networks, what listens on a port, and the line of a firewall."""

import ipaddress
import re
import sys
from dataclasses import dataclass
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

# host-gateway came with it (Docker Engine 20.10 release notes).
HOST_GATEWAY_SINCE = (20, 10)
_LISTEN = "0A"


class Publisher(NamedTuple):
    """A container that publishes a port: its name, the host's address, the port inside."""

    container: str
    address: str
    port: int


@dataclass(frozen=True)
class Engine:
    """What kind of engine it is: a container's way to the host depends on it."""

    version: Tuple[int, int] = HOST_GATEWAY_SINCE
    written_version: str = ""
    podman: bool = False
    rootless: bool = False
    desktop: bool = False

    @property
    def knows_host_gateway(self) -> bool:
        """Return whether an entry may say host-gateway."""
        return self.podman or self.version >= HOST_GATEWAY_SINCE


@dataclass(frozen=True)
class Network:
    """A network of the engine.

    Arguments:
        interface: its bridge on the host; None where it has none that is known.
    """

    name: str
    driver: str
    internal: bool
    interface: Optional[str]
    subnets: Tuple[str, ...]

    def holds(self, address: Optional[str]) -> bool:
        """Return whether an address is one of this network's."""
        try:
            parsed = ipaddress.ip_address(address or "")
            return any(parsed in ipaddress.ip_network(subnet, strict=False) for subnet in self.subnets)
        except ValueError:
            return False


def read_engine(version: Mapping[str, Any], info: Mapping[str, Any]) -> Engine:
    """Return the kind of an engine from what ``docker version`` and ``docker info`` say."""
    written = str(version.get("Version") or "")
    numbers = re.match(r"(\d+)\.(\d+)", written)
    components = [str(item.get("Name", "")) for item in version.get("Components") or ()]
    return Engine(
        version=(int(numbers.group(1)), int(numbers.group(2))) if numbers else HOST_GATEWAY_SINCE,
        written_version=written,
        podman=any("podman" in name.lower() for name in components),
        rootless=any("name=rootless" in str(option).split(",") for option in info.get("SecurityOptions") or ()),
        desktop="Docker Desktop" in str(info.get("OperatingSystem") or ""),
    )


def read_network(inspection: Mapping[str, Any], engine: Engine) -> Network:
    """Return a network from what ``docker network inspect`` says."""
    options = inspection.get("Options") or {}
    driver = str(inspection.get("Driver") or "")
    interface = options.get("com.docker.network.bridge.name") or inspection.get("NetworkInterface")
    if not interface and driver == "bridge" and not engine.podman:
        interface = "br-%s" % str(inspection["Id"])[:12]
    configured = (inspection.get("IPAM") or {}).get("Config") or ()
    return Network(
        name=str(inspection.get("Name") or ""),
        driver=driver,
        internal=bool(inspection.get("Internal")),
        interface=interface or None,
        subnets=tuple(item["Subnet"] for item in configured if item.get("Subnet")),
    )


def leaving_network(
    networks: Sequence[Network], source: Optional[str], gateway: Optional[str], address: Optional[str]
) -> Optional[Network]:
    """Return the network through which packets leave a container.

    Arguments:
        source: the address that they leave from, where it is known.
        gateway: their next hop, where it is known.
        address: where they go to.
    """
    for known in (source, gateway, address):
        for network in networks:
            if network.holds(known):
                return network
    outgoing = [network for network in networks if not network.internal]
    return min(outgoing, key=lambda network: network.name) if outgoing else None


def listening(sockets: str, port: int) -> List[str]:
    """Return the addresses on which something listens on a port.

    Arguments:
        sockets: what /proc/net/tcp and /proc/net/tcp6 hold.
    """
    found = set()
    for line in sockets.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[3] != _LISTEN:
            continue
        written, _colon, written_port = fields[1].partition(":")
        if int(written_port, 16) == port:
            found.add(_address(written))
    return sorted(found)


def _address(written: str) -> str:
    """Return an address as people write it; the kernel prints each 32 bits as a number of its own byte order."""
    words = [int(written[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(written), 8)]
    if len(words) == 1:
        return str(ipaddress.IPv4Address(words[0]))
    address = ipaddress.IPv6Address(b"".join(words))
    return str(address.ipv4_mapped or address)


def is_loopback(address: Optional[str]) -> bool:
    """Return whether an address is the asking machine itself."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


def answers_for(listener: str, address: str) -> bool:
    """Return whether what listens on one address gets what is sent to another; :: takes IPv4 as well."""
    return listener == address or listener == "::" or (listener == "0.0.0.0" and ":" not in address)


def firewall_lines(network: Optional[Network], address: Optional[str], port: int) -> str:
    """Return the command that lets a network's containers in on a port, for ufw and for firewalld."""
    version = 6 if ":" in (address or "") else 4
    subnets = [subnet for subnet in (network.subnets if network else ()) if (":" in subnet) == (version == 6)]
    subnet = subnets[0] if subnets else None
    interface = network.interface if network else None
    ufw = "ufw allow%s from %s to any port %d proto tcp" % (
        " in on %s" % interface if interface else "",
        subnet or "any",
        port,
    )
    rule = 'rule family="ipv%d"%s port port="%d" protocol="tcp" accept' % (
        version,
        ' source address="%s"' % subnet if subnet else "",
        port,
    )
    firewalld = "firewall-cmd --add-rich-rule='%s'" % rule
    zone = (
        "; with --zone=ZONE where `firewall-cmd --get-zone-of-interface=%s` names one" % interface if interface else ""
    )
    return (
        "With ufw: `%s`. With firewalld: `%s` (then `firewall-cmd --runtime-to-permanent`%s). Otherwise see the rules "
        "for input from %s in `nft list ruleset`." % (ufw, firewalld, zone, interface or subnet or "the containers")
    )
