// What the verb shell and the host say to each other, a line each, and the port they say it on.

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

// longestFrame is more than any that the host sends.
const longestFrame = 64 << 10

// hostFrame is what the host says.
type hostFrame struct {
	ID string `json:"id"`
	// Open begins a session.
	Open *request `json:"open,omitempty"`
	// N is the number of a frame with input: In, or EOF.
	N   uint64 `json:"n,omitempty"`
	In  []byte `json:"in,omitempty"`
	EOF bool   `json:"eof,omitempty"`
	// Ack is the last frame with output that has come.
	Ack  uint64 `json:"ack,omitempty"`
	Rows uint16 `json:"rows,omitempty"`
	Cols uint16 `json:"cols,omitempty"`
	// End ends the session; Alive says that there still is somebody.
	End   bool `json:"end,omitempty"`
	Alive bool `json:"alive,omitempty"`
}

// request is what is to run, and on what terminal, if on any.
type request struct {
	Argv []string `json:"argv"`
	Term string   `json:"term,omitempty"`
	Rows uint16   `json:"rows,omitempty"`
	Cols uint16   `json:"cols,omitempty"`
}

// guestFrame is what this end says.
type guestFrame struct {
	ID string `json:"id"`
	// Hello: the session has begun.
	Hello bool `json:"hello,omitempty"`
	// N is the number of a frame with output or with the end.
	N   uint64 `json:"n,omitempty"`
	Out []byte `json:"out,omitempty"`
	Err []byte `json:"err,omitempty"`
	// Exit is how the command ended, as a shell says it; Why says that it did not begin.
	Exit *int   `json:"exit,omitempty"`
	Why  string `json:"why,omitempty"`
	// Ack is the last frame with input that the command has taken.
	Ack uint64 `json:"ack,omitempty"`
	// Gone: there is no such session.
	Gone  bool `json:"gone,omitempty"`
	Alive bool `json:"alive,omitempty"`
}

// line is the port: one frame at a time.
type line struct {
	fd   int
	lock sync.Mutex
}

func (l *line) say(frame guestFrame) {
	text, _ := json.Marshal(frame)
	// What the one before had only half said ends here.
	if frame.Hello {
		text = append([]byte{'\n'}, text...)
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	tell(l.fd, string(text)+"\n")
}

// listen hands on every line that is a frame. What an earlier client has left is none.
func listen(fd int, frames chan<- hostFrame) {
	lines := bufio.NewReaderSize(reader(fd), longestFrame)
	for {
		text, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			// Nobody is there, or not yet.
			time.Sleep(time.Second / 10)
			continue
		}
		var frame hostFrame
		if json.Unmarshal(text, &frame) == nil {
			frames <- frame
		}
	}
}

// reader reads a file by its number: os.File would make it one that does not wait, for whoever has it open, too.
type reader int

func (r reader) Read(buffer []byte) (int, error) {
	for {
		n, err := syscall.Read(int(r), buffer)
		if err == syscall.EINTR {
			continue
		}
		if n == 0 && err == nil {
			err = io.EOF
		}
		return max(n, 0), err
	}
}
