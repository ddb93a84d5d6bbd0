"""The parts of the local cluster that work without one."""

from __future__ import annotations

import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.cluster import images, pki, provider
from dev.cluster.archive import write_image
from dev.cluster.kind import Kind
from dev.cluster.processes import Daemons, start_ticks
from dev.cluster.second_machine import SecondMachine
from dev.cluster.settings import REPOSITORY, Settings, from_environment
from dev.cluster.shell import ClusterError, run, wait_for
from dev.cluster.toolchain import ALL_TOOLS, Toolchain, find_go


@dataclass(frozen=True)
class Node:
    """A provider that only notes which archives it was given."""

    loaded: list[str]
    name: str = "local"

    def up(self) -> None:
        """Nothing to do."""

    def down(self) -> None:
        """Nothing to do."""

    def status(self) -> list[tuple[str, bool]]:
        """Nothing to say."""
        return []

    def load(self, archive: Path) -> None:
        """Note it."""
        self.loaded.append(archive.name)


def _settings(directory: Path, wanted: str | None = None) -> Settings:
    return Settings(provider=wanted, cache=directory / "cache", state=directory / "state", name="test")


def _program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_failed_command_is_told_with_its_words_and_its_exit_code() -> None:
    with pytest.raises(ClusterError, match=r"`sh -c echo oh no >&2; exit 3` ended with 3: oh no"):
        run(["sh", "-c", "echo oh no >&2; exit 3"])


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(ClusterError, match="no-such-program: no such program"):
        run(["no-such-program"])


def test_waiting_in_vain_says_for_what_and_where_to_look() -> None:
    with pytest.raises(ClusterError, match=r"Waited 0 s for a miracle, in vain\. Look up\."):
        wait_for("a miracle", lambda: False, timeout=0, hint="Look up.")


def test_a_name_that_no_network_device_could_bear_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERDIGRIS_CLUSTER", "much-too-long-a-name")
    with pytest.raises(ValueError, match="must be 1 to 12 letters and digits"):
        from_environment()


def test_a_daemon_is_started_once_and_ended(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path / "pids", tmp_path / "logs")
    daemons.start("sleeper", ["sleep", "60"])
    first = daemons.running("sleeper")
    daemons.start("sleeper", ["sleep", "60"])
    assert first
    assert daemons.running("sleeper") == first

    daemons.stop("sleeper")

    assert start_ticks(first) is None
    assert daemons.names() == []


def test_a_process_that_got_the_pid_of_a_dead_daemon_is_left_alone(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path / "pids", tmp_path / "logs")
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "pids").mkdir()
        (tmp_path / "pids" / "etcd.json").write_text(json.dumps({"pid": stranger.pid, "start": 1}))

        assert daemons.running("etcd") is None
        daemons.stop("etcd")

        assert start_ticks(stranger.pid) is not None
        stranger.kill()


def test_a_daemon_that_died_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path / "pids", tmp_path / "logs")
    daemons.start("etcd", ["sh", "-c", "echo the disk is full; exit 1"])
    wait_for("etcd to die", lambda: daemons.running("etcd") is None, timeout=10)

    with pytest.raises(ClusterError, match=r"etcd has ended; all it said is in .*/etcd\.log:\nthe disk is full"):
        daemons.require("etcd")


def test_equal_input_makes_an_equal_image(tmp_path: Path) -> None:
    program = _program(tmp_path / "program", "true")
    for name in ("one.tar", "two.tar"):
        target = tmp_path / name
        write_image(target, name="docker.io/verdigris/x:dev", files={"/bin/x": program}, entrypoint=["/bin/x"])

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        content = tar.extractfile("manifest.json")
        assert content is not None
        (manifest,) = json.loads(content.read())
    assert manifest["RepoTags"] == ["docker.io/verdigris/x:dev"]
    assert images.layer_sizes(tmp_path / "one.tar") == [program.stat().st_size]


def test_an_image_is_built_again_when_a_file_that_it_copies_changes_and_only_then(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x AS a\nCOPY source \\\n  /there\nFROM x\nCOPY --from=a /there /here\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "code.py").write_text("1")
    (tmp_path / "notes.txt").write_text("1")
    image = images.ProjectImage("docker.io/verdigris/x:1", "Dockerfile", tmp_path)
    before = images.inputs_hash(image)

    (tmp_path / "notes.txt").write_text("2")
    assert images.inputs_hash(image) == before
    (tmp_path / "source" / "code.py").write_text("2")
    assert images.inputs_hash(image) != before


def test_a_variant_has_inputs_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\nARG VARIANT=serving\nCOPY locks/serving*.txt /there/\n")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "serving-onnx.txt").write_text("1")
    plain = images.ProjectImage("docker.io/verdigris/x:1", "Dockerfile", tmp_path)
    variant = images.ProjectImage("docker.io/verdigris/y:1", "Dockerfile", tmp_path, ("VARIANT=serving-onnx",))
    before = images.inputs_hash(variant)

    assert before != images.inputs_hash(plain)
    (tmp_path / "locks" / "serving-onnx.txt").write_text("2")
    assert images.inputs_hash(variant) != before


def test_every_serving_image_has_a_lock_file_and_only_the_default_one_is_always_built() -> None:
    variants = [image.name.rsplit("/", 1)[1].split(":")[0] for image in images.VARIANT_IMAGES]

    assert variants == ["serving-onnx", "serving-sklearn", "serving-grpc"]
    assert all((REPOSITORY / "requirements" / f"{name}.txt").exists() for name in ("serving", *variants))
    assert not set(images.VARIANT_IMAGES) & set(images.PROJECT_IMAGES)


def test_a_missing_dockerfile_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"There is no .*/Dockerfile\.gone"):
        images.inputs_hash(images.ProjectImage("docker.io/verdigris/x:1", "Dockerfile.gone", tmp_path))


def test_every_tool_is_pinned_by_a_module_with_checksums(tmp_path: Path) -> None:
    toolchain = Toolchain(_settings(tmp_path))
    for tool in ALL_TOOLS.values():
        sources = Path(REPOSITORY, "dev", "cluster", "tools", tool.module)
        assert (sources / "go.sum").stat().st_size > 0
        assert toolchain.directory(tool.module).name.startswith(f"{tool.module}-")


def test_a_go_that_is_too_old_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = _program(tmp_path / "old" / "go", "echo go version go1.19.8 linux/amd64")
    new = _program(tmp_path / "cache" / "go-toolchain" / "lib" / "bin" / "go", "echo go version go1.26.6 linux/amd64")
    monkeypatch.setenv("PATH", str(old.parent), prepend=":")
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.26.4\n")

    assert find_go(_settings(tmp_path), tmp_path / "go.mod") == str(new)


def test_kind_is_chosen_only_where_a_docker_engine_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    _program(tmp_path / "kind", "true")
    docker = _program(tmp_path / "docker", "exit 1")
    assert provider.choose(_settings(tmp_path)) == "local"

    _program(docker, "exit 0")
    assert provider.choose(_settings(tmp_path)) == "kind"
    assert provider.choose(_settings(tmp_path, "local")) == "local"
    with pytest.raises(ClusterError, match="must be `local` or `kind`"):
        provider.choose(_settings(tmp_path, "minikube"))


def test_kind_is_given_archives_under_the_clusters_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    _program(tmp_path / "kind", f'echo "$@" >> {tmp_path}/said; echo other')
    kind = Kind(_settings(tmp_path), Toolchain(_settings(tmp_path)))

    kind.load(Path("/images/x.tar"))

    assert kind.status() == [("kind cluster test", False), ("API server", False)]
    said = (tmp_path / "said").read_text().splitlines()
    assert said == ["load image-archive /images/x.tar --name test", "get clusters"]


def test_certificates_are_made_once_and_are_what_their_names_say(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    keys = pki.create(settings, "some-node")
    before = keys.cert("apiserver").read_bytes()
    pki.create(settings, "some-node")

    assert keys.cert("apiserver").read_bytes() == before
    assert "OK" in run(
        ["openssl", "verify", "-CAfile", keys.cert("ca"), "-purpose", "sslserver", keys.cert("apiserver")]
    )
    text = run(["openssl", "x509", "-in", keys.cert("kubelet"), "-noout", "-subject"])
    assert "system:nodes" in text
    assert "system:node:some-node" in text
    assert json.loads(settings.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == "https://10.244.0.1:6443"
    assert settings.kubeconfig.stat().st_mode & 0o077 == 0


def test_a_second_nodes_certificates_are_the_same_authoritys_and_name_its_own_address(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    machine = SecondMachine(settings).settings
    cluster = pki.create(settings, "some-node")
    keys = pki.create_for_machine(settings, machine, "second")

    verified = run(["openssl", "verify", "-CAfile", cluster.cert("ca"), keys.cert("kubelet-server")])
    text = run(["openssl", "x509", "-in", keys.cert("kubelet-server"), "-noout", "-text"])
    identity = run(["openssl", "x509", "-in", keys.cert("kubelet"), "-noout", "-subject"])
    kubeconfig = json.loads(keys.kubeconfig("kubelet").read_text())
    assert "OK" in verified
    assert f"DNS:second, IP Address:{machine.node_ip}" in text
    assert "system:node:second" in identity
    assert kubeconfig["clusters"][0]["cluster"]["server"] == settings.api_url
    assert not keys.key("ca").exists()


def test_an_image_is_loaded_again_when_it_was_changed_back(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "local")
    settings.state.mkdir()
    settings.kubeconfig.touch()
    (tmp_path / "Dockerfile").write_text("FROM x")
    image = images.ProjectImage("docker.io/verdigris/x:1", "Dockerfile", tmp_path)
    node = Node([])
    for text in ("FROM x", "FROM y", "FROM x", "FROM x"):
        (tmp_path / "Dockerfile").write_text(text)
        program = _program(tmp_path / "program", text)
        archive = settings.image_archives / f"x-1-local-{images.inputs_hash(image)}.tar"
        write_image(archive, name=image.name, files={"/x": program}, entrypoint=["/x"])
        images.build_and_load(settings, node, (image,))

    first, second, third = node.loaded
    assert first == third != second
