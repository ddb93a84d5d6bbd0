"""The node's network: a device with the node's address, CNI for the pods, forwarding and masquerading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dev.cluster.settings import Settings
from dev.cluster.shell import run, succeeds, wait_for

_SYSCTLS = {"net/ipv4/ip_forward": "1"}
_KUBE_PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))


def _device(settings: Settings) -> str:
    return f"{settings.name}0"


def set_up(settings: Settings) -> None:
    """Make the node's address, the route to the Services, masquerading and the CNI configuration; repeatable."""
    device = _device(settings)
    if not succeeds(["ip", "link", "show", "dev", device]):
        # A bridge without ports, since the kernel may lack dummy devices. Pods hang on routed veths (CNI ptp):
        # their traffic passes the node's netfilter hooks even where br_netfilter is missing.
        run(["ip", "link", "add", device, "type", "bridge"])
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "link", "set", device, "up"])
    run(["ip", "address", "replace", f"{settings.node_ip}/32", "dev", device])
    # kube-proxy rewrites packets to Services; without a route a machine that is offline would not even send them.
    run(["ip", "route", "replace", settings.service_cidr, "dev", device, "src", settings.node_ip])
    _remember(settings)
    for key, value in _SYSCTLS.items():
        Path("/proc/sys", key).write_text(value)
    _masquerade(settings)
    _write_cni(settings, port_mappings=True)


def tear_down(settings: Settings) -> None:
    """Remove devices, routes, tables and put the sysctls back. The pods must be gone already."""
    succeeds(["ip", "link", "delete", "dev", _device(settings)])
    for family, table in (*_KUBE_PROXY_TABLES, ("ip", settings.name)):
        succeeds(["nft", "delete", "table", family, table])
    _forget_cached(settings)
    remembered = _before(settings)
    if remembered.exists():
        before = json.loads(remembered.read_text())
        _remove_port_mappings(before["tables"])
        for key, value in before["sysctls"].items():
            Path("/proc/sys", key).write_text(value)


def add_machine(settings: Settings, machine: Settings) -> None:
    """Give the cluster's device the address of a second node, and that node a CNI configuration; repeatable.

    Its pods get no ports of the node: both nodes are this machine, and a port of it is there once.
    """
    run(["ip", "address", "replace", f"{machine.node_ip}/32", "dev", _device(settings)])
    _write_cni(machine, port_mappings=False)


def cut_off(machine: Settings) -> None:
    """Drop every packet from and to the second node and its pods, its kernel's farewells (FIN, RST) among them."""
    table = f"table ip {machine.name}"
    rules = f"""\
{table}
delete {table}
{table} {{
    chain from {{
        type filter hook prerouting priority -300
        ip saddr {machine.pod_cidr} drop
    }}
    chain to {{
        type filter hook postrouting priority -300
        ip daddr {machine.pod_cidr} drop
    }}
}}
"""
    run(["nft", "-f", "-"], stdin=rules)


def reconnect(machine: Settings) -> None:
    """Undo `cut_off`."""
    succeeds(["nft", "delete", "table", "ip", machine.name])


def remove_machine(settings: Settings, machine: Settings) -> None:
    """Undo `add_machine` and `cut_off`. The pods must be gone already."""
    succeeds(["ip", "address", "delete", f"{machine.node_ip}/32", "dev", _device(settings)])
    # Each pod's veth has it as well, as the pod's gateway. The kernel removes a veth with the pod's network namespace,
    # some time after the last process in it.
    wait_for("the network devices of the node's pods to go", lambda: not _has_address(machine), timeout=30)
    reconnect(machine)
    _forget_cached(machine)


def machine_leftovers(machine: Settings) -> list[str]:
    """What `remove_machine` should have removed and what is still there, one sentence each."""
    found = []
    if _has_address(machine):
        found.append(f"the address {machine.node_ip} is still there")
    return found + [
        f"the nftables {table} is still there" for table in _tables() if table == f"table ip {machine.name}"
    ]


def _has_address(machine: Settings) -> bool:
    return f"inet {machine.node_ip}/" in run(["ip", "-oneline", "address"])


def leftovers(settings: Settings) -> list[str]:
    """What `tear_down` should have removed and what is still there, one sentence each."""
    found = []
    if succeeds(["ip", "link", "show", "dev", _device(settings)]):
        found.append(f"the network device {_device(settings)} is still there")
    ours = {f"table {family} {name}" for family, name in (*_KUBE_PROXY_TABLES, ("ip", settings.name))}
    found += [f"the nftables {table} is still there" for table in _tables() if table in ours]
    return found


def _forget_cached(settings: Settings) -> None:
    """CNI caches what it did for each pod in one place for all networks; the names begin with the network's."""
    for cached in Path("/var/lib/cni/results").glob(f"{settings.name}-*"):
        cached.unlink(missing_ok=True)


def _before(settings: Settings) -> Path:
    """How the machine was before `set_up`, so that `tear_down` can put it back."""
    return settings.state / "network-before.json"


def _remember(settings: Settings) -> None:
    if not _before(settings).exists():
        values = {key: Path("/proc/sys", key).read_text().strip() for key in _SYSCTLS}
        _before(settings).write_text(json.dumps({"sysctls": values, "tables": _tables()}))


def _tables() -> list[str]:
    return [line.strip() for line in run(["nft", "list", "tables"]).splitlines()]


def _masquerade(settings: Settings) -> None:
    """Let pods reach what this machine reaches: their addresses are unknown outside of it."""
    # Declared, deleted and declared anew in one transaction: the same result whatever was there.
    table = f"table ip {settings.name}"
    rules = f"""\
{table}
delete {table}
{table} {{
    chain outbound {{
        type nat hook postrouting priority 100
        ip saddr {settings.cluster_cidr} ip daddr != {{ {settings.cluster_cidr}, {settings.service_cidr} }} masquerade
    }}
}}
"""
    run(["nft", "-f", "-"], stdin=rules)


def _write_cni(settings: Settings, *, port_mappings: bool) -> None:
    ipam = {
        "type": "host-local",
        "dataDir": str(settings.state / "cni" / "addresses"),
        "ranges": [[{"subnet": settings.pod_cidr, "gateway": settings.node_ip}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins: list[dict[str, Any]] = [{"type": "ptp", "ipMasq": False, "ipam": ipam}]
    if port_mappings:
        plugins.append({"type": "portmap", "capabilities": {"portMappings": True}})
    chain = {"cniVersion": "0.4.0", "name": settings.name, "plugins": plugins}
    directory = settings.state / "cni" / "net.d"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "10-verdigris.conflist").write_text(json.dumps(chain, indent=1))


def _remove_port_mappings(tables_before: list[str]) -> None:
    """Remove the rules that CNI's portmap made for pods with a hostPort: it keeps them in chains named CNI-*."""
    for program, family in (("iptables", "ip"), ("ip6tables", "ip6")):
        table = f"table {family} nat"
        if table not in _tables():
            continue  # asking iptables would create it
        if table not in tables_before:
            run(["nft", "delete", *table.split()])
            continue
        rules = run([program, "-t", "nat", "-S"]).splitlines()
        for rule in rules:
            if rule.startswith("-A") and " -j CNI-" in rule and not rule.startswith("-A CNI-"):
                succeeds([program, "-t", "nat", "-D", *rule.split()[1:]])
        chains = [rule.split()[1] for rule in rules if rule.startswith("-N CNI-")]
        for action in ("-F", "-X"):
            for name in chains:
                succeeds([program, "-t", "nat", action, name])
