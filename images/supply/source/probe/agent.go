// The verb agent: sets this machine's clock when the host asks, for memory that was saved has the time of then. The
// protocol is the one of qemu's guest agent (https://www.qemu.org/docs/master/interop/qemu-ga-ref.html), a JSON object a
// line, on a serial port that only who rules the machine's hypervisor can write to. Everything but the clock is refused.
// No other program is started for it: after a reset that would take an emulated machine a second.

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// portName is libvirt's (https://libvirt.org/formatdomain.html#channel).
	portName = "org.qemu.guest_agent.0"
	// longest is more than any question of libvirt's that is answered here, in bytes.
	longest = 4096
	// absent is how long to wait at most while nobody is at the other end: the kernel says at once when somebody has come,
	// and this is for what it said before anybody listened.
	absent = time.Second
)

// question is what the host sends; every other argument belongs to what is refused.
type question struct {
	Execute   string `json:"execute"`
	Arguments struct {
		ID   int64 `json:"id"`
		Time int64 `json:"time"`
	} `json:"arguments"`
}

// agent answers until it is told to stop; a machine that has no such port has nobody who asks.
func agent(argv []string) {
	flags := flag.NewFlagSet("agent", flag.ExitOnError)
	path := flags.String("port", "", "the serial port; found by its name if none is given")
	_ = flags.Parse(argv)
	if *path == "" {
		if *path = port(); *path == "" {
			return
		}
	}
	fd, err := syscall.Open(*path, syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NOCTTY, 0)
	if err != nil {
		unusable(&os.PathError{Op: "open", Path: *path, Err: err})
	}
	come := arrivals(fd)
	var line []byte
	buffer := make([]byte, longest)
	for {
		n, err := syscall.Read(fd, buffer)
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			line = nil
			select {
			case <-come:
			case <-time.After(absent):
			}
			continue
		}
		line = append(line, buffer[:n]...)
		for {
			first, rest, whole := bytes.Cut(line, []byte("\n"))
			if !whole {
				break
			}
			line = rest
			tell(fd, answer(first))
		}
		if len(line) > longest {
			line = nil
		}
	}
}

// arrivals tells when somebody comes to the other end of the port, by the signal that the kernel then sends to who has asked
// for it (Linux, drivers/char/virtio_console.c, send_sigio_to_port; fcntl(2), O_ASYNC).
func arrivals(fd int) <-chan os.Signal {
	come := make(chan os.Signal, 1)
	signal.Notify(come, syscall.SIGIO)
	for _, set := range [][2]int{{syscall.F_SETOWN, os.Getpid()}, {syscall.F_SETFL, syscall.O_RDWR | syscall.O_ASYNC}} {
		if _, _, err := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), uintptr(set[0]), uintptr(set[1])); err != 0 {
			fmt.Fprintln(os.Stderr, "hab-probe: no word of who comes:", err)
		}
	}
	return come
}

// port finds the port by its name: without udev there are no links by names.
func port() string {
	names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, file := range names {
		if name, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(name)) == portName {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(file)))
		}
	}
	return ""
}

func tell(fd int, text string) {
	for bytes := []byte(text); len(bytes) > 0; {
		n, err := syscall.Write(fd, bytes)
		if err != nil && err != syscall.EINTR {
			return
		}
		bytes = bytes[max(n, 0):]
	}
}

// answer does what is asked, if it is about the clock.
func answer(line []byte) string {
	// What the host sends first may begin with a byte that no JSON has.
	if begin := bytes.IndexByte(line, '{'); begin > 0 {
		line = line[begin:]
	}
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return refusal("GenericError", "this is no question")
	}
	switch asked.Execute {
	// Whoever reads drops what came before that byte.
	case "guest-sync-delimited":
		return fmt.Sprintf("\xff{\"return\":%d}\n", asked.Arguments.ID)
	case "guest-sync":
		return fmt.Sprintf("{\"return\":%d}\n", asked.Arguments.ID)
	case "guest-ping":
		return "{\"return\":{}}\n"
	// Nanoseconds since 1970. Without any it would be the time of a clock chip.
	case "guest-set-time":
		now := syscall.NsecToTimeval(asked.Arguments.Time)
		if asked.Arguments.Time <= 0 {
			return refusal("GenericError", "no time is given")
		}
		if err := syscall.Settimeofday(&now); err != nil {
			return refusal("GenericError", "the clock can not be set: "+err.Error())
		}
		return "{\"return\":{}}\n"
	}
	return refusal("CommandNotFound", "this agent sets the clock and nothing else")
}

func refusal(class, why string) string {
	said, _ := json.Marshal(map[string]map[string]string{"error": {"class": class, "desc": why}})
	return string(said) + "\n"
}
