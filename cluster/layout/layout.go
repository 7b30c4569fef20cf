// Package layout says where everything of a lab is on the host's disk.
//
//	<state dir>/
//	  .images/  .programs/     shared by all labs: image stores, node programs
//	  <lab>/
//	    lab.json               the lab: specification and API port
//	    images.json            images that were loaded
//	    lock  sock             held by its supervisor
//	    cloud/sock cloud.json  the cloud's API and table
//	    supervisor.log  journal/
//	    pki/                   authorities; admin.conf
//	    bin/  cni/             what nodes execute
//	    nodes/<node>/root/     a node's own root file system
package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// StateDir is where labs are kept when the user names no other place: the XDG
// state directory.
func StateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "workbench"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the state directory: %w; name one with --state-dir", err)
	}
	return filepath.Join(home, ".local", "state", "workbench"), nil
}

// Lab is one lab's place.
type Lab struct {
	State string // the state directory, absolute
	Name  string
}

// Dir is the lab's directory.
func (l Lab) Dir() string { return filepath.Join(l.State, l.Name) }

func (l Lab) in(parts ...string) string {
	return filepath.Join(append([]string{l.State, l.Name}, parts...)...)
}

// Group is the lab's name among control groups, which all labs of the machine
// share, whatever their state directory.
func (l Lab) Group() string {
	sum := sha256.Sum256([]byte(l.State))
	return l.Name + "-" + hex.EncodeToString(sum[:4])
}

// Images holds the image stores that nodes are cloned from.
func (l Lab) Images() string { return filepath.Join(l.State, ".images") }

// ImagePool holds what loaded images consist of.
func (l Lab) ImagePool() string { return filepath.Join(l.Images(), "pool") }

// ImageCache holds what was pulled from registries.
func (l Lab) ImageCache() string { return filepath.Join(l.Images(), "cache") }

// ImageList are the images that were loaded into the lab.
func (l Lab) ImageList() string { return l.in("images.json") }

// Programs holds unpacked node programs.
func (l Lab) Programs() string { return filepath.Join(l.State, ".programs") }

// File is the lab's own description.
func (l Lab) File() string { return l.in("lab.json") }

// Lock is held while a supervisor runs.
func (l Lab) Lock() string { return l.in("lock") }

// Socket is the supervisor's API.
func (l Lab) Socket() string { return l.in("sock") }

// Cloud is the directory of the cloud's API, which control planes see.
func (l Lab) Cloud() string { return l.in("cloud") }

// CloudTable is what the cluster asked of the cloud.
func (l Lab) CloudTable() string { return l.in("cloud.json") }

// Log is the supervisor's log.
func (l Lab) Log() string { return l.in("supervisor.log") }

// Journal is the event log's directory.
func (l Lab) Journal() string { return l.in("journal") }

// History is the directory of keyframes of the journal, to rewind to.
func (l Lab) History() string { return l.in("history") }

// Recoveries are the last recovery of each class of faults, to compare with.
func (l Lab) Recoveries() string { return l.in("recoveries.json") }

// PKI is the directory of authorities and of the user's credentials.
func (l Lab) PKI() string { return l.in("pki") }

// Kubeconfig is the administrator's kubeconfig.
func (l Lab) Kubeconfig() string { return l.in("pki", "admin.conf") }

// Bin holds the programs of nodes, under the names of their roles.
func (l Lab) Bin() string { return l.in("bin") }

// CNI holds the CNI plugins of nodes.
func (l Lab) CNI() string { return l.in("cni") }

// Node is a node's directory.
func (l Lab) Node(name string) string { return l.in("nodes", name) }

// Root is a node's root file system.
func (l Lab) Root(name string) string { return l.in("nodes", name, "root") }

// Disk is the file that is a node's disk.
func (l Lab) Disk(name string) string { return l.in("nodes", name, "disk") }

// Scenes holds the lab's scenes.
func (l Lab) Scenes() string { return l.in("scenes") }

// Loaded says, until the next run has begun, which scene was loaded.
func (l Lab) Loaded() string { return l.in("loaded.json") }

// Damage says, while the file exists, why the node's etcd member has to be
// replaced before it can take part again.
func (l Lab) Damage(name string) string { return l.in("nodes", name, "etcd-damage") }

// LostImages exists while a fault takes images from the node.
func (l Lab) LostImages(name string) string { return l.in("nodes", name, "images-lost") }

// Kept holds the certificates of a node's components, by component, while a fault
// has replaced them by expired ones.
func (l Lab) Kept(name string) string { return l.in("nodes", name, "certificates-kept") }

// InitLog is what a node's init prints.
func (l Lab) InitLog(name string) string { return l.in("nodes", name, "init.log") }

// List are the names of the labs in a state directory, sorted.
func List(state string) ([]string, error) {
	entries, err := os.ReadDir(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var names []string
	for _, e := range entries {
		if _, err := os.Stat((Lab{State: state, Name: e.Name()}).File()); err == nil {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// WriteFile replaces a file so that a reader sees the old or the new content,
// whole, also after a crash.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer dir.Close()
	return dir.Sync()
}
