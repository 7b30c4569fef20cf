// Package bundle is everything for a class in one file: a lab's file, its images,
// its scenes, scenario files and recordings.
//
//	FILE = zstd( tar: lab.json  images.tar  scenes/…  scenarios/…  recordings/…  index.json )
//
// The index, last, has the sum of every entry, of its content and of what the tar
// says of it. What is the same file in several places, as the layers of images are
// in all nodes of all scenes, is in it once. Loading extracts everything beside the
// labs, checks it, and moves it to its place when all is right.
package bundle

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"

	"workbench/cluster/event"
)

// format of a bundle; another one is refused.
const format = 1

// names of entries.
const (
	labEntry    = "lab.json"
	imagesEntry = "images.tar"
	indexEntry  = "index.json"
	scenesDir   = "scenes"
	// Files of these directories go to the lab's directory as they are.
	scenariosDir  = "scenarios"
	recordingsDir = "recordings"
)

// ErrDamaged says that a bundle is not what was saved.
var ErrDamaged = errors.New("the bundle is damaged")

// Index says what a bundle is.
type Index struct {
	Format     int                 `json:"format"`
	Lab        string              `json:"lab"`
	Kubernetes string              `json:"kubernetes"`
	Images     []event.ImageLoaded `json:"images,omitempty"`
	Scenes     []string            `json:"scenes,omitempty"`
	Scenarios  []string            `json:"scenarios,omitempty"`
	Recordings []string            `json:"recordings,omitempty"`
	// Sums of all other entries, by name.
	Sums map[string]string `json:"sums"`
}

// begin begins the sum of an entry with what the tar says of it.
func begin(h *tar.Header) hash.Hash {
	sum := sha256.New()
	about := struct {
		Name, Link string
		Type       byte
		Mode       int64
		UID, GID   int
		Size       int64
		Major      int64
		Minor      int64
		Modified   int64
		PAX        map[string]string
		Whole      string
	}{h.Name, h.Linkname, h.Typeflag, h.Mode, h.Uid, h.Gid, h.Size, h.Devmajor, h.Devminor, h.ModTime.Unix(), attributesOf(h), h.PAXRecords[wholeSize]}
	raw, err := json.Marshal(about)
	if err != nil {
		raw = []byte(h.Name) // cannot be: all of it can be marshalled
	}
	_, _ = sum.Write(raw) // never fails
	return sum
}

func end(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

// xattr is the prefix of extended attributes among PAX records.
const xattr = "SCHILY.xattr."

// attributesOf are the extended attributes of an entry; other records depend on how
// the tar was written.
func attributesOf(h *tar.Header) map[string]string {
	out := map[string]string{}
	for k, v := range h.PAXRecords {
		if len(k) > len(xattr) && k[:len(xattr)] == xattr {
			out[k[len(xattr):]] = v
		}
	}
	return out
}
