package doctor

import (
	"context"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk space for one lab: etcd's files, the journal, images and containers'
// layers.
const (
	diskNeed  = 2 << 30
	diskWants = 6 << 30
)

// fileSystems by the number that statfs(2) gives, with what is wrong with them.
var fileSystems = map[int64]struct{ name, problem string }{
	unix.EXT4_SUPER_MAGIC:      {"ext2/3/4", ""},
	unix.XFS_SUPER_MAGIC:       {"xfs", ""},
	unix.BTRFS_SUPER_MAGIC:     {"btrfs", ""},
	unix.F2FS_SUPER_MAGIC:      {"f2fs", ""},
	0x2fc12fc1:                 {"zfs", ""}, // OpenZFS: ZFS_SUPER_MAGIC
	unix.TMPFS_MAGIC:           {"tmpfs", "it uses memory and does not survive a reboot"},
	unix.OVERLAYFS_SUPER_MAGIC: {"overlayfs", "an overlay cannot lie on another one"},
	unix.NFS_SUPER_MAGIC:       {"nfs", "etcd needs fast and safe syncs, containers need overlays"},
	unix.SMB_SUPER_MAGIC:       {"smb", "etcd needs fast and safe syncs, containers need overlays"},
	unix.CIFS_SUPER_MAGIC:      {"cifs", "etcd needs fast and safe syncs, containers need overlays"},
	unix.FUSE_SUPER_MAGIC:      {"fuse", "etcd needs fast and safe syncs, containers need overlays"},
	unix.V9FS_MAGIC:            {"9p", "etcd needs fast and safe syncs, containers need overlays"},
}

func (d *doctor) checkStateDir(context.Context) []Check {
	dir := d.existingDir()
	disk := Check{Name: "disk space", Status: OK, Why: "databases, the event journal and the layers of containers are kept there"}
	kind := Check{Name: "file system", Status: OK, Why: "etcd's log and the layers of containers are kept there"}
	fs, err := d.kernel.FileSystem(filepath.Join(d.root, dir))
	if err != nil {
		disk.Status, disk.Found, disk.Fix = Warn, err.Error(), "df "+dir
		return []Check{disk}
	}
	disk.Found = fmt.Sprintf("%s free in %s", gib(int64(min(fs.free, noLimit))), dir)
	const elsewhere = "choose another place with --state-dir"
	switch {
	case fs.free < diskNeed:
		disk.Status, disk.Fix = Fail, fmt.Sprintf("free %s, or %s", gib(diskWants), elsewhere)
	case fs.free < diskWants:
		disk.Status, disk.Fix = Warn, fmt.Sprintf("free %s, or %s", gib(diskWants), elsewhere)
	}
	known, ok := fileSystems[fs.magic]
	switch {
	case !ok:
		kind.Found = fmt.Sprintf("%s is on a file system of type %#x", dir, fs.magic)
	case known.problem != "":
		kind.Status, kind.Found, kind.Fix = Warn, dir+" is on "+known.name, elsewhere+", on ext4, xfs or btrfs"
		kind.Why = known.problem
	default:
		kind.Found = dir + " is on " + known.name
	}
	return []Check{disk, kind}
}
