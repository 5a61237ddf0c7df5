package control

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Tags and permissions of linux/posix_acl.h and linux/posix_acl_xattr.h.
const (
	aclVersion  = 2
	aclUserObj  = 0x01
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
	aclRW       = 6
	aclNoID     = 1<<32 - 1

	aclAttr = "system.posix_acl_access"
)

// allowGroups lets more groups connect to a socket of mode 0660, by an access
// control list (acl(5)). The kernel still refuses all others, and the owning
// group too if owning is false.
func allowGroups(path string, owning bool, gids []int) error {
	if len(gids) == 0 {
		return nil
	}
	b := binary.LittleEndian.AppendUint32(nil, aclVersion)
	entry := func(tag, perm uint16, id uint32) {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, perm)
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	entry(aclUserObj, aclRW, aclNoID)
	if owning {
		entry(aclGroupObj, aclRW, aclNoID)
	} else {
		entry(aclGroupObj, 0, aclNoID)
	}
	for _, gid := range gids {
		entry(aclGroup, aclRW, uint32(gid))
	}
	entry(aclMask, aclRW, aclNoID)
	entry(aclOther, 0, aclNoID)
	return unix.Lsetxattr(path, aclAttr, b, 0)
}
