package web

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzDiag parses any answer of the kernel about a socket. An answer that is
// not whole names no user.
func FuzzDiag(f *testing.F) {
	good := make([]byte, unix.SizeofNlMsghdr+diagAnswerSize)
	binary.NativeEndian.PutUint16(good[4:], sockDiagByFamily)
	good[unix.SizeofNlMsghdr+1] = tcpEstablished
	binary.NativeEndian.PutUint32(good[unix.SizeofNlMsghdr+64:], 1000)
	binary.NativeEndian.PutUint32(good[unix.SizeofNlMsghdr+68:], 7)
	if uid, err := parseDiag(good); uid != 1000 || err != nil {
		f.Fatalf("got user %d, %v, want 1000", uid, err)
	}
	refusal := make([]byte, unix.SizeofNlMsghdr+4)
	binary.NativeEndian.PutUint16(refusal[4:], unix.NLMSG_ERROR)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(refusal)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if uid, err := parseDiag(answer); err != nil && uid != 0 {
			t.Errorf("got user %d with %v", uid, err)
		} else if err == nil && len(answer) < len(good) {
			t.Errorf("got user %d of %d bytes", uid, len(answer))
		}
	})
}

// FuzzTable parses any table of sockets. No line about another socket changes
// the answer.
func FuzzTable(f *testing.F) {
	local, remote := netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("127.0.0.1:4000")
	line := fmt.Sprintf("0: %s %s 01 0:0 0:0 0 1000 0 7\n", procAddr(local), procAddr(remote))
	f.Add(strings.Replace(line, " 01 ", " 06 ", 1))
	f.Add(strings.Replace(line, "1000", "-1", 1))
	f.Add(strings.ReplaceAll(line, "0050", "0051"))
	f.Add("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode")
	f.Fuzz(func(t *testing.T, table string) {
		if uid, found, err := parseTable(table, local, remote); uid != 0 && (err != nil || !found) {
			t.Errorf("got user %d, %v, %v", uid, found, err)
		}
		if strings.Contains(table, procAddr(local)) {
			return
		}
		uid, found, err := parseTable(strings.TrimRight(table, "\n")+"\n"+line, local, remote)
		if uid != 1000 || !found || err != nil {
			t.Errorf("got user %d, %v, %v, want 1000", uid, found, err)
		}
	})
}
