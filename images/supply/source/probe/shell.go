// The verb shell: runs what the host asks for as root, on a port that only who rules the machine's hypervisor can write to:
// it needs neither network nor cluster. One session (session.go) at a time; who opens another ends the one before.
//
// A frame (frame.go) is a JSON object a line, with the session's id. What carries data has a number, and is acknowledged: no
// more than `window` frames are on their way in a direction, for a terminal of the host's drops what it has no room for, and
// a command that reads nothing must not keep acknowledgements from coming. The other end is src/session/.

package main

import (
	"flag"
	"os"
	"syscall"
	"time"
)

const (
	// consolePort is where the first virtio console is (drivers/tty/hvc/hvc_console.c): libvirt's `<target type='virtio'>`.
	consolePort = "/dev/hvc0"
	// silence of the host for so long, and its session is over: it says something every three seconds.
	silence = 45 * time.Second
	// appears is how long to wait for the port: the kernel may still be making it.
	appears = 10 * time.Second
)

// shell serves one session after the other until it is told to stop; a machine that has no such port serves nobody.
func shell(argv []string) {
	flags := flag.NewFlagSet("shell", flag.ExitOnError)
	path := flags.String("port", consolePort, "the port")
	_ = flags.Parse(argv)
	if flags.NArg() > 0 {
		usage()
	}
	for start := time.Now(); ; time.Sleep(appears / 50) {
		if _, err := os.Stat(*path); err == nil {
			break
		} else if time.Since(start) > appears {
			return
		}
	}
	fd, err := syscall.Open(*path, syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NOCTTY, 0)
	if err == nil {
		err = makeRaw(fd)
	}
	if err != nil {
		unusable(&os.PathError{Op: "open", Path: *path, Err: err})
	}
	frames := make(chan hostFrame)
	go listen(fd, frames)
	port, look := &line{fd: fd}, time.NewTicker(time.Second)
	var now *session
	for {
		select {
		case <-look.C:
			if now != nil && time.Since(now.heard) > silence {
				now.end("its other end says nothing any more")
				now = nil
			}
		case frame := <-frames:
			switch {
			case frame.Open != nil && now != nil && now.id == frame.ID:
				// Asked again by who has not heard the answer yet.
				now.heard = time.Now()
			case frame.Open != nil:
				if now != nil {
					now.end("another begins")
				}
				now = begin(port, frame.ID, frame.Open)
			case now == nil || now.id != frame.ID:
				if frame.ID != "" && !frame.End {
					port.say(guestFrame{ID: frame.ID, Gone: true})
				}
			case frame.End || !now.take(frame):
				now.end("its other end is gone")
				now = nil
			}
		}
	}
}
