#!/usr/bin/python3
"""VBoxManage without VirtualBox: writes each call into $VBOX_STUB/calls, a line of JSON a call, keeps what a machine has in
$VBOX_STUB/state.json, and answers what Vagrant 2.3 to 2.4 reads. A machine whose power button is pressed is off at the
second look; one with a file $VBOX_STUB/deaf never is."""

import json
import os
import sys

HERE = os.environ["VBOX_STUB"]
STATE = os.path.join(HERE, "state.json")
UUID = "11111111-2222-3333-4444-%012d"
words = sys.argv[1:]


def load():
    try:
        with open(STATE, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {"machines": {}, "dhcp": True, "interfaces": ["192.168.56.1"]}


def save(state):
    with open(STATE, "w", encoding="utf-8") as file:
        json.dump(state, file)


def fail(text):
    print(f"VBoxManage: error: {text}", file=sys.stderr)
    sys.exit(1)


def option(name, default=None):
    return words[words.index(name) + 1] if name in words else default


state = load()
machines = state["machines"]


def machine(name):
    for uuid, found in machines.items():
        if name in (uuid, found["name"]):
            return found
    return fail(f"Could not find a registered machine named '{name}' (VBOX_E_OBJECT_NOT_FOUND)")


def info(name):
    found = machine(name)
    if found["state"] == "stopping":
        found["looks"] += 1
        if found["looks"] >= 2:
            found["state"] = "poweroff"
    print(f'name="{found["name"]}"')
    print(f'VMState="{found["state"]}"')
    print('storagecontrollername0="SATA"\nstoragecontrollertype0="IntelAhci"\nstoragecontrollerportcount0="30"')
    for port in range(14):
        print(f'"SATA-{port}-0"="{found["ports"].get(str(port), "none")}"')
    for card in range(1, 9):
        print(f'nic{card}="{found["cards"].get(str(card), "none")}"')
    print('macaddress1="080027000001"')


def listed(what):
    if what == "vms":
        for uuid, found in machines.items():
            print(f'"{found["name"]}" {{{uuid}}}')
    elif what == "runningvms":
        for uuid, found in machines.items():
            if found["state"] in ("running", "stopping"):
                print(f'"{found["name"]}" {{{uuid}}}')
    elif what == "hostonlyifs":
        for number, address in enumerate(state["interfaces"]):
            print(f"Name:            vboxnet{number}\nDHCP:            Disabled\nIPAddress:       {address}\n"
                  "NetworkMask:     255.255.255.0\nIPV6Address:     fe80::1\nIPV6NetworkMaskPrefixLength: 64\n"
                  "Status:          Up\n"
                  f"VBoxNetworkName: HostInterfaceNetworking-vboxnet{number}\n")
    elif what == "dhcpservers" and state["dhcp"]:
        print("NetworkName:    HostInterfaceNetworking-vboxnet0\nIP:             192.168.56.100\n"
              "NetworkMask:    255.255.255.0\nlowerIPAddress: 192.168.56.101\nupperIPAddress: 192.168.56.254")
    elif what == "systemproperties":
        print(f"Default machine folder:          {HERE}/machines")


with open(os.path.join(HERE, "calls"), "a", encoding="utf-8") as log:
    log.write(json.dumps(words) + "\n")

verb = words[0] if words else ""
if verb == "--version":
    print(os.environ.get("VBOX_VERSION", "7.0.26r168464"))
elif verb == "list":
    listed(words[-1])
elif verb == "import":
    if not os.path.isfile(words[-1] if "-n" in words else words[1]):
        fail("no such OVF")
    if "-n" in words:
        print(f' 1: Suggested VM settings file name "{HERE}/machines/hab/hab.vbox"\n 2: Suggested VM name "hab"')
        for unit, disk in ((9, "disk1"), (10, "disk2")):
            print(f" {unit}: Hard disk image: source image={disk}.vmdk, target path={disk}.vmdk, controller=7;channel=0")
    else:
        machines[UUID % (len(machines) + 1)] = {
            "name": option("--vmname"), "state": "poweroff", "looks": 0, "cards": {"1": "nat"},
            "ports": {"0": "base", "1": "payload"}}
elif verb == "showvminfo":
    info(words[1])
elif verb == "modifyvm":
    found = machine(words[1])
    found["name"] = option("--name", found["name"])
    for card in range(1, 9):
        found["cards"][str(card)] = option(f"--nic{card}", found["cards"].get(str(card), "none"))
elif verb == "createmedium":
    with open(option("--filename"), "wb") as file:
        file.write(b"vdi of " + option("--size").encode())
elif verb == "showmediuminfo":
    with open(words[-1], "rb") as file:
        print("Capacity:       " + file.read().decode().removeprefix("vdi of ") + " MBytes")
elif verb == "modifymedium":
    with open(words[2], "wb") as file:
        file.write(b"vdi of " + option("--resize").encode())
elif verb == "storageattach":
    medium = option("--medium")
    if medium not in ("none", "emptydrive") and not os.path.isfile(medium):
        fail(f"Could not find file for the medium '{medium}' (VERR_FILE_NOT_FOUND)")
    machine(words[1])["ports"][option("--port")] = medium
elif verb == "startvm":
    machine(words[1])["state"] = "running"
elif verb == "controlvm":
    found = machine(words[1])
    if words[2] == "poweroff":
        found["state"] = "poweroff"
    elif words[2] == "acpipowerbutton" and not os.path.exists(os.path.join(HERE, "deaf")):
        found.update(state="stopping", looks=0)
elif verb == "hostonlyif" and words[1] == "create":
    state["interfaces"].append("")
    print(f"Interface 'vboxnet{len(state['interfaces']) - 1}' was successfully created")
elif verb == "hostonlyif" and words[1] == "ipconfig":
    state["interfaces"][int(words[2].removeprefix("vboxnet"))] = option("--ip")
elif verb == "dhcpserver" and words[1] == "remove":
    state["dhcp"] = False
elif verb == "unregistervm":
    found = machine(words[1])
    for medium in found["ports"].values():
        # As VirtualBox does: with a machine go all disks that it has.
        if medium.endswith(".vdi"):
            os.unlink(medium)
    state["machines"] = {uuid: other for uuid, other in machines.items() if other is not found}
save(state)
