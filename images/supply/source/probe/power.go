// The verb power: powers this machine off when its power button is pressed. The kernel says so by generic netlink
// (drivers/acpi/event.c), and whoever listens needs nothing else: no udev, no dbus, no daemon that only some bases have.

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
)

// What the kernel calls its messages, and in them the button. The class stands in a field of 20 bytes, at the beginning.
const (
	acpiFamily   = "acpi_event"
	acpiGroup    = "acpi_mc_group"
	acpiEvent    = 1 // ACPI_GENL_ATTR_EVENT
	acpiClass    = 20
	buttonsClass = "button/power"
)

// Numbers of linux/netlink.h and linux/genetlink.h.
const (
	genericHeader  = 4  // length of struct genlmsghdr
	controller     = 16 // GENL_ID_CTRL, the family that knows all others
	getFamily      = 3  // CTRL_CMD_GETFAMILY
	familyName     = 2  // CTRL_ATTR_FAMILY_NAME
	familyGroups   = 7  // CTRL_ATTR_MCAST_GROUPS
	groupName      = 1  // CTRL_ATTR_MCAST_GRP_NAME
	groupNumber    = 2  // CTRL_ATTR_MCAST_GRP_ID
	attributeType  = 0x3fff
	netlinkOptions = 270 // SOL_NETLINK
)

// power listens until it is told to stop.
func power(argv []string) {
	flags := flag.NewFlagSet("power", flag.ExitOnError)
	_ = flags.Parse(argv)
	if flags.NArg() > 0 {
		usage()
	}
	fd, err := listenForEvents()
	if err != nil {
		unusable(fmt.Errorf("listening for the power button: %w", err))
	}
	ready()
	for {
		messages, err := receive(fd)
		// More came than there was room for: the next press is heard again.
		if err != nil && !errors.Is(err, syscall.ENOBUFS) {
			unusable(fmt.Errorf("listening for the power button: %w", err))
		}
		for _, message := range messages {
			if !isPress(message.Data) {
				continue
			}
			fmt.Println("hab-probe: the power button was pressed")
			if said, err := exec.Command("systemctl", "poweroff").CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "hab-probe: systemctl poweroff: %v: %s\n", err, bytes.TrimSpace(said))
			}
		}
	}
}

// listenForEvents opens a socket that gets the kernel's ACPI events.
func listenForEvents() (int, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_GENERIC)
	if err != nil {
		return 0, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return 0, err
	}
	if err := syscall.Sendto(fd, lookUp(acpiFamily), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return 0, err
	}
	answers, err := receive(fd)
	if err != nil {
		return 0, err
	}
	for _, answer := range answers {
		if number, found := groupIn(answer.Data); answer.Header.Type == controller && found {
			return fd, syscall.SetsockoptInt(fd, netlinkOptions, syscall.NETLINK_ADD_MEMBERSHIP, number)
		}
	}
	return 0, errors.New("the kernel has no ACPI events")
}

// lookUp asks the controller for a family: a netlink header, a generic one, the name as an attribute.
func lookUp(family string) []byte {
	name := append([]byte(family), 0)
	padded := (len(name) + 3) &^ 3
	out := binary.NativeEndian.AppendUint32(nil, uint32(syscall.NLMSG_HDRLEN+genericHeader+4+padded))
	out = binary.NativeEndian.AppendUint16(out, controller)
	out = binary.NativeEndian.AppendUint16(out, syscall.NLM_F_REQUEST)
	out = append(out, 0, 0, 0, 0, 0, 0, 0, 0)
	out = append(out, getFamily, 1, 0, 0)
	out = binary.NativeEndian.AppendUint16(out, uint16(4+len(name)))
	out = binary.NativeEndian.AppendUint16(out, familyName)
	return append(append(out, name...), make([]byte, padded-len(name))...)
}

// receive waits for messages.
func receive(fd int) ([]syscall.NetlinkMessage, error) {
	buffer := make([]byte, 8<<10)
	for {
		n, _, err := syscall.Recvfrom(fd, buffer, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return syscall.ParseNetlinkMessage(buffer[:n])
	}
}

// attributes are those in data, by their types.
func attributes(data []byte) map[uint16][]byte {
	found := map[uint16][]byte{}
	for len(data) >= 4 {
		length := int(binary.NativeEndian.Uint16(data))
		if length < 4 || length > len(data) {
			break
		}
		found[binary.NativeEndian.Uint16(data[2:])&attributeType] = data[4:length]
		data = data[min((length+3)&^3, len(data)):]
	}
	return found
}

// behind is what follows the generic header.
func behind(message []byte) []byte { return message[min(genericHeader, len(message)):] }

// groupIn is the number of the group of ACPI events in the controller's answer.
func groupIn(answer []byte) (int, bool) {
	for _, group := range attributes(attributes(behind(answer))[familyGroups]) {
		about := attributes(group)
		if number := about[groupNumber]; text(about[groupName]) == acpiGroup && len(number) == 4 {
			return int(binary.NativeEndian.Uint32(number)), true
		}
	}
	return 0, false
}

// isPress tells whether an event is one of a power button.
func isPress(message []byte) bool {
	event := attributes(behind(message))[acpiEvent]
	return text(event[:min(acpiClass, len(event))]) == buttonsClass
}

// text is what stands before the first zero.
func text(field []byte) string {
	before, _, _ := bytes.Cut(field, []byte{0})
	return string(before)
}

// ready tells systemd so, if it asked for that (sd_notify(3)).
func ready() {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		unusable(err)
	}
	defer socket.Close()
	if _, err := socket.Write([]byte("READY=1")); err != nil {
		unusable(err)
	}
}
