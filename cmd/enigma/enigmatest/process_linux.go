package enigmatest

import "syscall"

// orphans makes the kernel end the program when the test process dies without cleaning up (a timeout, a kill).
func orphans() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
