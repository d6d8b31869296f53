package transport

import (
	"testing"
	"unsafe"
)

func TestEpollConn_IsSmall(t *testing.T) {
	if size := unsafe.Sizeof(epollConn{}); size > 192 {
		t.Errorf("%d bytes", size)
	}
}
