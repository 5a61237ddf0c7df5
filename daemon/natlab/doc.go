// Package natlab runs real daemons in homes behind NAT, with Debian's
// magic-wormhole-transit-relay between them, and checks which way their packets
// take:
//
//	device a ─ router a ─┐                  ┌─ [carrier] ─ router b ─ device b
//	192.168.1.20         ├──── internet ────┤           192.168.1.20
//	                     │        │         │
//	           198.51.100.10    relay     203.0.113.20
//	                          192.0.2.10
//
// Each box is a network namespace. It has tests only:
//
//	go test ./daemon/natlab                           which way
//	go test ./daemon/natlab -run Figures -figures -v  how fast
//
// The tests check:
//   - No device can connect to the other one, not even if both dial each other
//     at the same time from the ports that the routers keep.
//   - With a relay the devices call each other. The routers have connections to
//     the relay only, and no packet goes from one home to the other.
//   - The relay sees neither a frame nor a name nor a key.
//   - A direct way replaces the relay, and the relay replaces a lost one.
//
// The test program runs itself in new user, network and mount namespaces
// (unshare), so it does not touch the network of the machine and needs no root.
package natlab
