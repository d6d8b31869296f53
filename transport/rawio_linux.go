package transport

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below do not block, so the runtime need not know of them. recv and send are a tenth cheaper than read and
// write, which pass through the file system's layer; and a send to a broken connection raises no signal.

func rawRead(fd int32, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
	return count(n, errno)
}

func rawWrite(fd int32, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return count(n, errno)
}

func rawEpollWait(fd int, events *unix.EpollEvent, n int) (int, unix.Errno) {
	got, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(events)), uintptr(n), 0, 0, 0)
	return count(got, errno)
}

func count(n uintptr, errno unix.Errno) (int, unix.Errno) {
	if errno != 0 {
		return -1, errno
	}
	return int(n), 0
}
