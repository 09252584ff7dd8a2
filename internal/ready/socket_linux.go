package ready

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// otherEnd is the inode of the socket at the other end of a connection on this machine (/proc/net/tcp, proc(5)); 0 while it
// is nobody's, as before it is accepted. known is false where that cannot be told.
func otherEnd(conn net.Conn) (inode uint64, known bool) {
	local, err1 := netip.ParseAddrPort(conn.LocalAddr().String())
	remote, err2 := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err1 != nil || err2 != nil {
		return 0, false
	}
	for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		if inode := lookUp(file, remote, local); inode != 0 {
			return inode, true
		}
	}
	return 0, true
}

// lookUp finds the socket of its own address and its peer's in a table.
func lookUp(file string, own, peer netip.AddrPort) uint64 {
	table, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer table.Close()
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || !same(fields[1], own) || !same(fields[2], peer) {
			continue
		}
		if inode, err := strconv.ParseUint(fields[9], 10, 64); err == nil {
			return inode
		}
	}
	return 0
}

// same reports whether text, as in "0100007F:0BB8", is a: words of 32 bits in the machine's order, here little-endian, and
// the port.
func same(text string, a netip.AddrPort) bool {
	address, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	if !ok || err != nil || len(raw)%4 != 0 || port != fmt.Sprintf("%04X", a.Port()) {
		return false
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	found, ok := netip.AddrFromSlice(raw)
	return ok && found.Unmap() == a.Addr().Unmap().WithZone("")
}
