"""The command line: python -m dev.cluster up, down, status, kubeconfig, images, build, env, and what comes on top."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from dev.cluster import fake_nodes, gateway, second_node
from dev.cluster.cluster import Cluster, find
from dev.cluster.shell import ClusterError
from dev.cluster.toolchain import ALL_TOOLS


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code. What is wrong is said in one sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (ClusterError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what runs goes on running; `up` completes it, `down` removes it.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dev.cluster", description="A real Kubernetes cluster on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring the cluster up (quick when it is); the first time compiles Kubernetes")
    commands.add_parser("down", help="remove the cluster; keeps the cache of programs and images")
    commands.add_parser("status", help="say what runs; exit code 1 when something does not")
    commands.add_parser("kubeconfig", help="print the path of the administrator's kubeconfig")
    project = commands.add_parser("images", help="build the project's images and give them to the cluster")
    project.add_argument("--all", action="store_true", help="the serving images for formats onnx and sklearn, too")
    commands.add_parser("env", help='print shell lines: eval "$(python -m dev.cluster env)"')
    build = commands.add_parser("build", help="compile programs into the cache, without a cluster")
    build.add_argument("tools", nargs="*", metavar="TOOL", help=f"default: all of {', '.join(ALL_TOOLS)}")
    fakes = commands.add_parser("fake-nodes", help="add nodes that only pretend to run pods (kwok)")
    fakes.add_argument("count", type=int, help="how many there shall be; 0 removes them")
    door = commands.add_parser("gateway", help="the Gateway API, and Traefik as a gateway (compiled the first time)")
    door.add_argument("action", choices=("up", "stop", "down"), help="stop ends Traefik; down removes the API, too")
    _add_node(commands.add_parser("node", help="a second real node: bring it up, lose it, bring it back, remove it"))
    return parser


def _add_node(second: argparse.ArgumentParser) -> None:
    actions = second.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help=f"join it to the cluster; pods come to it that tolerate {second_node.TAINT}")
    sizes = "what it has for pods of cpu, memory, pods: cpu=1500m pods=20; the default is all"
    up.add_argument("--allocatable", nargs="+", default=[], type=_size, metavar="WHAT=SIZE", help=sizes)
    up.add_argument("--no-taint", action="store_true", help="any pod may come to it")
    stop = actions.add_parser("stop", help="lose it, as when a machine loses power")
    stop.add_argument("--kubelet-only", action="store_true", help="its pods go on, but nobody hears of them")
    actions.add_parser("start", help="bring it back as it was")
    actions.add_parser("down", help="remove it with its pods")


def _size(word: str) -> tuple[str, str]:
    what, sign, size = word.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{word!r} is not of the form WHAT=SIZE, as cpu=1500m is")
    return what, size


def _run(options: argparse.Namespace) -> int:
    cluster = find()
    match options.command:
        case "up":
            cluster.up()
        case "down":
            cluster.down()
        case "images":
            cluster.load_images(variants=options.all)
        case "kubeconfig":
            print(cluster.kubeconfig)
        case "env":
            print(_environment(cluster))
        case "build":
            return _build(cluster, options.tools or list(ALL_TOOLS))
        case "fake-nodes":
            fake_nodes.scale(cluster, options.count)
        case "node" | "gateway":
            _on_top(cluster, options)
        case "status":
            return _status(cluster)
    return 0


def _on_top(cluster: Cluster, options: argparse.Namespace) -> None:
    if options.command == "node":
        _node(cluster, options)
    else:
        {"up": gateway.up, "stop": gateway.stop, "down": gateway.down}[options.action](cluster)


def _node(cluster: Cluster, options: argparse.Namespace) -> None:
    match options.action:
        case "up":
            second_node.up(
                cluster, allocatable=dict(options.allocatable), taint=None if options.no_taint else second_node.TAINT
            )
        case "stop":
            second_node.stop(cluster, kubelet_only=options.kubelet_only)
        case "start":
            second_node.start(cluster)
        case "down":
            second_node.down(cluster)


def _build(cluster: Cluster, tools: list[str]) -> int:
    unknown = sorted(set(tools) - set(ALL_TOOLS))
    if unknown:
        raise ClusterError(f"Unknown: {', '.join(unknown)}. There are: {', '.join(ALL_TOOLS)}.")
    for tool in tools:
        print(cluster.tool(tool))
    return 0


def _environment(cluster: Cluster) -> str:
    values = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "VERDIGRIS_AUDIT_LOG": str(cluster.audit_log or ""),
        "VERDIGRIS_PROVIDER": cluster.provider,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    # Its folder of programs as well: kubectl finds its plugin there, and a person verdigris-model.
    folders = f"{cluster.bin}:{Path(sys.executable).parent}"
    return "\n".join([*lines, f'export PATH={shlex.quote(folders)}:"$PATH"'])


def _status(cluster: Cluster) -> int:
    print(f"provider: {cluster.provider}")
    checks = cluster.backend.status()
    for what, well in checks:
        print(f"{'ok  ' if well else 'DOWN'}  {what}")
    return 0 if all(well for _, well in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
