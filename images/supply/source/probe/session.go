// A session of the verb shell: the command, what goes into it and comes out of it, and how it ends.

package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	// window times a frame's length on the wire fits into what a terminal of the host's holds (8 KiB, drivers/tty/pty.c).
	window = 6
	// piece is how many bytes of output are in a frame: 1 KiB on the wire.
	piece = 720
	// rootShell is on every base.
	rootShell = "/bin/bash"
	// linger is how long what a command has started may hold its output open after it.
	linger = time.Second
)

// session is a command that runs, and who asked for it.
type session struct {
	id    string
	line  *line
	group int
	// input is what the command is still to read; nil is its end.
	input chan hostFrame
	// credit has one for each frame that may be on its way.
	credit chan struct{}
	over   chan struct{}
	once   sync.Once
	lock   sync.Mutex
	sent   uint64
	acked  uint64
	size   func(rows, cols uint16)
	heard  time.Time
}

// begin starts what is asked for.
func begin(port *line, id string, asked *request) *session {
	s := &session{
		id: id, line: port, heard: time.Now(), size: func(uint16, uint16) {},
		input: make(chan hostFrame, window), credit: make(chan struct{}, window), over: make(chan struct{}),
	}
	for range window {
		s.credit <- struct{}{}
	}
	port.say(guestFrame{ID: id, Hello: true})
	if err := s.start(asked); err != nil {
		// As a shell says that there is no such program.
		code := 127
		s.send(guestFrame{Exit: &code, Why: err.Error()})
	}
	return s
}

// start runs the command, on a terminal of its own if one is asked for.
func (s *session) start(asked *request) error {
	if len(asked.Argv) == 0 {
		asked.Argv = []string{rootShell}
		if asked.Term != "" {
			asked.Argv = append(asked.Argv, "--login")
		}
	}
	if err := os.Setenv("PATH", "/opt/hab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return err
	}
	command := exec.Command(asked.Argv[0], asked.Argv[1:]...)
	command.Dir = "/"
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=" + rootShell, "LANG=C.UTF-8",
		"TERM=" + asked.Term, `PS1=\u@\h:\w\$ `,
	}
	var outputs []output
	var stdin *os.File
	var theirs []*os.File
	if asked.Term != "" {
		ours, slave, err := openTerminal()
		if err != nil {
			return err
		}
		s.size = func(rows, cols uint16) { _ = setSize(ours, rows, cols) }
		s.size(asked.Rows, asked.Cols)
		command.Stdin, command.Stdout, command.Stderr = slave, slave, slave
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		stdin, theirs = ours, []*os.File{slave}
		outputs = []output{{ours, func(b []byte) guestFrame { return guestFrame{Out: b} }}}
	} else {
		var files [6]*os.File
		for i := 0; i < len(files); i += 2 {
			var err error
			if files[i], files[i+1], err = os.Pipe(); err != nil {
				return err
			}
		}
		command.Stdin, command.Stdout, command.Stderr = files[0], files[3], files[5]
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		stdin, theirs = files[1], []*os.File{files[0], files[3], files[5]}
		outputs = []output{
			{files[2], func(b []byte) guestFrame { return guestFrame{Out: b} }},
			{files[4], func(b []byte) guestFrame { return guestFrame{Err: b} }},
		}
	}
	err := command.Start()
	for _, file := range theirs {
		_ = file.Close()
	}
	if err != nil {
		_ = stdin.Close()
		for _, output := range outputs {
			_ = output.from.Close()
		}
		return err
	}
	fmt.Println("hab-probe: a session has begun")
	s.lock.Lock()
	s.group = command.Process.Pid
	s.lock.Unlock()
	go s.feed(stdin, asked.Term != "")
	go s.finish(command, outputs)
	return nil
}

// output is what a command writes to, and how that is said.
type output struct {
	from *os.File
	as   func([]byte) guestFrame
}

// pump sends what comes, until that ends, or until nothing came for a while after the command has ended.
func (s *session) pump(o output, ended <-chan struct{}) {
	buffer := make([]byte, piece)
	for {
		select {
		case <-ended:
			_ = o.from.SetReadDeadline(time.Now().Add(linger))
		default:
		}
		n, err := o.from.Read(buffer)
		if n > 0 && !s.send(o.as(append([]byte(nil), buffer[:n]...))) {
			return
		}
		if err != nil {
			return
		}
	}
}

// finish sends all output, and then how the command ended.
func (s *session) finish(command *exec.Cmd, outputs []output) {
	ended := make(chan struct{})
	var pumps sync.WaitGroup
	for _, o := range outputs {
		pumps.Go(func() { s.pump(o, ended) })
	}
	// Only the process: what it has started may hold its files open for ever.
	state, err := command.Process.Wait()
	// What it has left in the background stays, and its number may soon be another's.
	s.lock.Lock()
	s.group = 0
	s.lock.Unlock()
	close(ended)
	for _, o := range outputs {
		_ = o.from.SetReadDeadline(time.Now().Add(linger))
	}
	pumps.Wait()
	for _, o := range outputs {
		_ = o.from.Close()
	}
	code := 1
	if err == nil {
		// As a shell says it.
		status := state.Sys().(syscall.WaitStatus)
		if code = status.ExitStatus(); status.Signaled() {
			code = 128 + int(status.Signal())
		}
	}
	fmt.Println("hab-probe: a session's command has ended")
	s.send(guestFrame{Exit: &code})
}

// send waits until there is room for a frame on its way; it does nothing more once the session is over.
func (s *session) send(frame guestFrame) bool {
	select {
	case <-s.over:
		return false
	case <-s.credit:
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.sent++
	frame.ID, frame.N = s.id, s.sent
	s.line.say(frame)
	return true
}

// feed writes what comes to the command's input.
func (s *session) feed(stdin *os.File, terminal bool) {
	defer stdin.Close()
	for {
		var frame hostFrame
		select {
		case <-s.over:
			return
		case frame = <-s.input:
		}
		if frame.EOF && terminal {
			// As Ctrl-D.
			frame.In, frame.EOF = []byte{4}, false
		}
		// It fails when nobody reads; what comes is then taken and dropped.
		_, _ = stdin.Write(frame.In)
		s.line.say(guestFrame{ID: s.id, Ack: frame.N})
		if frame.EOF {
			return
		}
	}
}

// take does what the host says to this session; false if that is nothing that it may say.
func (s *session) take(frame hostFrame) bool {
	s.heard = time.Now()
	if frame.Rows > 0 && frame.Cols > 0 {
		s.size(frame.Rows, frame.Cols)
	}
	if frame.Alive {
		s.line.say(guestFrame{ID: s.id, Alive: true})
	}
	s.lock.Lock()
	for ; s.acked < frame.Ack && s.acked < s.sent; s.acked++ {
		s.credit <- struct{}{}
	}
	s.lock.Unlock()
	if frame.N == 0 {
		return true
	}
	select {
	case s.input <- frame:
		return true
	default:
		return false
	}
}

// end hangs up on the command, and kills what does not hear that.
func (s *session) end(why string) {
	s.once.Do(func() {
		fmt.Println("hab-probe: a session is over:", why)
		close(s.over)
		s.kill(syscall.SIGHUP)
		time.AfterFunc(linger, func() { s.kill(syscall.SIGKILL) })
	})
}

// kill sends a signal to the command and what it has started, if it has not ended.
func (s *session) kill(signal syscall.Signal) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.group != 0 {
		_ = syscall.Kill(-s.group, signal)
	}
}
