// Terminals, for the verb shell, without what Go's standard library lacks.

package main

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// makeRaw has every byte pass as it is, as cfmakeraw(3) does.
func makeRaw(fd int) error {
	var mode syscall.Termios
	if err := ioctl(fd, syscall.TCGETS, unsafe.Pointer(&mode)); err != nil {
		return err
	}
	mode.Iflag &^= syscall.IGNBRK | syscall.BRKINT | syscall.PARMRK | syscall.ISTRIP | syscall.INLCR | syscall.IGNCR |
		syscall.ICRNL | syscall.IXON
	mode.Oflag &^= syscall.OPOST
	mode.Lflag &^= syscall.ECHO | syscall.ECHONL | syscall.ICANON | syscall.ISIG | syscall.IEXTEN
	mode.Cflag &^= syscall.CSIZE | syscall.PARENB
	mode.Cflag |= syscall.CS8
	mode.Cc[syscall.VMIN], mode.Cc[syscall.VTIME] = 1, 0
	return ioctl(fd, syscall.TCSETS, unsafe.Pointer(&mode))
}

// openTerminal makes a terminal: our end, and the one for a program.
func openTerminal() (*os.File, *os.File, error) {
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	var unlocked int32
	var number uint32
	err = control(ours, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	if err == nil {
		err = control(ours, syscall.TIOCGPTN, unsafe.Pointer(&number))
	}
	var theirs *os.File
	if err == nil {
		theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		_ = ours.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// setSize tells who runs on a terminal how large it is.
func setSize(file *os.File, rows, cols uint16) error {
	size := [4]uint16{rows, cols}
	return control(file, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// control is ioctl with a file that stays one which does not wait: os.File.Fd would change that.
func control(file *os.File, request uintptr, argument unsafe.Pointer) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var outcome error
	if err := raw.Control(func(fd uintptr) { outcome = ioctl(int(fd), request, argument) }); err != nil {
		return err
	}
	return outcome
}
