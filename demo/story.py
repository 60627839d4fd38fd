"""The story: what KubeMacPool does for the pods and virtual machines of a cluster, a step at a time."""

from typing import Any, Final

from demo.stage import Stage

MANIFESTS: Final = "demo/manifests"
POD_FILES: Final = ("samplepod", "explicit-inside", "explicit-outside", "same-inside", "short-form", "new-range")
MACHINES: Final = ("samplevm", "restored-vm")
KUBEVIRT_CRDS: Final = "cluster/kubevirt/crds.yaml"
RANGE: Final = "configmap kubemacpool-mac-range-config -n kubemacpool-system"
NEW_RANGE: Final = ("02:aa:00:00:00:00", "02:aa:00:00:ff:ff")
SHIPPED_RANGE: Final = ("02:00:00:00:00:00", "FD:FF:FF:FF:FF:FF")


def play(stage: Stage) -> None:
    """Play every step.

    Raises:
        NotAsToldError: when anything is not as told.
    """
    _clear(stage)
    _network(stage)
    _sample_pod(stage)
    if stage.containers_run:
        _inside(stage)
    _deployment(stage)
    _explicit(stage)
    _refused(stage)
    _released(stage)
    _short_form(stage)
    _machine(stage)
    _restored(stage)
    _range(stage)


def _clear(stage: Stage) -> None:
    """Remove what an earlier run has left."""
    stage.ask(f"patch {RANGE} -p '{_range_patch(SHIPPED_RANGE)}'")
    stage.ask("delete deployment twonets --ignore-not-found --wait")
    stage.ask(f"delete pod {' '.join(POD_FILES)} same-outside same-as-vm --ignore-not-found --wait")
    stage.until(lambda: not stage.ask("get pods -l app=twonets -o name").strip(), "the old Deployment's pods are gone")
    if "virtualmachines.kubevirt.io" in stage.ask("get crd -o name"):
        stage.ask(f"delete vm {' '.join(MACHINES)} --ignore-not-found --wait")


def _network(stage: Stage) -> None:
    if stage.containers_run:
        network, where = "bridge-conf", "here on a bridge br1 of each node's kernel"
    else:
        network, where = "ovs-conf", "VLAN 100 on the Open vSwitch bridge br1"
    stage.tell(f"A secondary network: NetworkAttachmentDefinition ovs-conf, {where}.")
    stage.kubectl(f"apply -f {MANIFESTS}/network-attachment-definition-crd.yaml")
    stage.kubectl("wait --for=condition=Established crd/network-attachment-definitions.k8s.cni.cncf.io")
    stage.kubectl(f"apply -f {MANIFESTS}/{network}.yaml")


def _sample_pod(stage: Stage) -> None:
    stage.tell("A pod asks for that network; its interface gets a MAC address from the pool.")
    stage.kubectl(f"apply -f {MANIFESTS}/samplepod.yaml")
    (entry,) = stage.networks("samplepod")
    stage.check(set(entry) == {"name", "namespace", "mac"}, f"other keys than told: {entry}")
    stage.check(entry["name"] == "ovs-conf" and entry["namespace"] == "default", f"not the network asked for: {entry}")


def _inside(stage: Stage) -> None:
    stage.tell("The pod runs: its interface net1 has the address, inside the pod and in what is reported of it.")
    (entry,) = stage.networks("samplepod")
    stage.kubectl("wait --for=condition=Ready pod/samplepod --timeout=30s")
    shown = stage.kubectl("exec samplepod -- ip link show net1")
    stage.check(f"link/ether {entry['mac']}" in shown, f"net1 does not have {entry['mac']}: {shown}")
    described = stage.kubectl("describe pod samplepod")
    (reported,) = (item for item in stage.network_status("samplepod") if item.get("interface") == "net1")
    stage.check(reported["mac"] == entry["mac"], f"another address is reported than was given: {reported}")
    stage.check(described.count(entry["mac"]) >= 2, f"not in both annotations: {described}")  # noqa: PLR2004


def _deployment(stage: Stage) -> None:
    stage.tell("A Deployment with three replicas and two networks each: six interfaces, six addresses.")
    stage.kubectl(f"apply -f {MANIFESTS}/deployment.yaml")
    stage.kubectl("rollout status deployment twonets --timeout=30s")
    column = r"NETWORKS:.metadata.annotations.k8s\.v1\.cni\.cncf\.io/networks"
    table = stage.kubectl(f"get pods -l app=twonets -o custom-columns='NAME:.metadata.name,{column}'")
    macs = [entry["mac"] for line in table.splitlines()[1:] for entry in stage.read_networks(line.split(maxsplit=1)[1])]
    stage.check(len(macs) == len(set(macs)) == 6, f"not six addresses that differ: {macs}")  # noqa: PLR2004 (3 x 2)


def _explicit(stage: Stage) -> None:
    stage.tell("An address that the user chose is accepted and left as written, inside the range or outside.")
    stage.kubectl(f"apply -f {MANIFESTS}/explicit-inside.yaml")
    (inside,) = stage.networks("explicit-inside")
    stage.check(inside["mac"] == "02:00:00:00:aa:01", f"not the address asked for: {inside}")
    stage.kubectl(f"apply -f {MANIFESTS}/explicit-outside.yaml")
    (outside,) = stage.networks("explicit-outside")
    stage.check(outside["mac"] == "FE-77-00-00-00-55", f"not left as written: {outside}")


def _refused(stage: Stage) -> None:
    stage.tell("The same address again is refused, and the answer names who has it. Its spelling does not matter.")
    for name, holder in (("same-inside", "explicit-inside"), ("same-outside", "explicit-outside")):
        answer = stage.kubectl(f"apply -f {MANIFESTS}/{name}.yaml", fails=True)
        stage.check(f"is in use by Pod default/{holder}" in answer, f"the holder is not named: {answer}")


def _released(stage: Stage) -> None:
    stage.tell("The holder is deleted: its address is free again, with nothing left behind.")
    stage.kubectl("delete pod explicit-inside --wait")
    stage.kubectl(f"apply -f {MANIFESTS}/same-inside.yaml")
    (entry,) = stage.networks("same-inside")
    stage.check(entry["mac"] == "02:00:00:00:aa:01", f"not the address asked for: {entry}")


def _short_form(stage: Stage) -> None:
    stage.tell("The short form of the annotation has no place for an address: it is left alone, with a warning.")
    answer = stage.kubectl(f"apply -f {MANIFESTS}/short-form.yaml")
    stage.check("Warning: kubemacpool" in answer, f"no warning: {answer}")
    stage.check('[{"name":"ovs-conf","interface":"second"}]' in answer, f"the JSON form is not shown: {answer}")
    left = stage.kubectl(r"get pod short-form -o jsonpath='{.metadata.annotations.k8s\.v1\.cni\.cncf\.io/networks}'")
    stage.check(left == "ovs-conf@second", f"not left alone: {left}")


def _machine(stage: Stage) -> None:
    stage.tell("A virtual machine gets an address for every interface (KubeVirt's kinds only: nothing boots here).")
    stage.kubectl(f"apply -f {KUBEVIRT_CRDS}")
    stage.kubectl(f"wait --for=condition=Established -f {KUBEVIRT_CRDS}")
    stage.kubectl(f"apply -f {MANIFESTS}/samplevm.yaml")
    macs = _machine_macs(stage, "samplevm")
    stage.check(len(set(macs)) == 3, f"not three addresses that differ: {macs}")  # noqa: PLR2004 (its interfaces)
    stage.check(macs[2] == "02:00:00:00:aa:02", f"not the address asked for: {macs}")
    answer = stage.kubectl(f"apply -f {MANIFESTS}/same-as-vm.yaml", fails=True)
    stage.check("is in use by VirtualMachine default/samplevm" in answer, f"the holder is not named: {answer}")


def _restored(stage: Stage) -> None:
    stage.tell(
        "A copy of it, with the annotation that a restore can add: what others have is replaced, with a warning."
    )
    answer = stage.kubectl(f"apply -f {MANIFESTS}/restored-vm.yaml")
    (mac,) = _machine_macs(stage, "restored-vm")
    stage.check(f"replaced by {mac}" in answer, f"the warning does not name {mac}: {answer}")


def _machine_macs(stage: Stage, name: str) -> list[str]:
    path = "{.spec.template.spec.domain.devices.interfaces[*].macAddress}"
    return stage.kubectl(f"get vm {name} -o jsonpath='{path}'").split()


def _range(stage: Stage) -> None:
    stage.tell("The range is changed in the ConfigMap; no restart, and the pods that are there keep their addresses.")
    stage.kubectl(f"patch {RANGE} -p '{_range_patch(NEW_RANGE)}'")
    try_out = f"apply -f {MANIFESTS}/new-range.yaml --dry-run=server -o jsonpath='{{.metadata.annotations}}'"
    stage.until(lambda: NEW_RANGE[0][:5] in stage.ask(try_out), "the new range is in force")
    stage.kubectl(f"apply -f {MANIFESTS}/new-range.yaml")
    (entry,) = stage.networks("new-range")
    first, last = NEW_RANGE
    stage.check(first <= entry["mac"] <= last, f"not from the new range {first}-{last}: {entry}")
    stage.kubectl(f"patch {RANGE} -p '{_range_patch(SHIPPED_RANGE)}'")


def _range_patch(limits: tuple[str, str]) -> str:
    start, end = limits
    data: dict[str, Any] = {"RANGE_START": start, "RANGE_END": end}
    return '{"data":{' + ",".join(f'"{key}":"{value}"' for key, value in data.items()) + "}}"
