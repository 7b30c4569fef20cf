package event

import "time"

func init() {
	register[ImageLoaded]()
	register[ImageRemoved]()
	register[ImagePull]()
	register[ImageProgress]()
	register[NodeImages]()
}

// ImageLoaded is an image that was loaded into the lab: every worker has it, and
// every one that starts later gets it.
type ImageLoaded struct {
	Name      string `json:"name"`      // whole, such as docker.io/library/nginx:latest
	Digest    string `json:"digest"`    // of what the name stands for
	MediaType string `json:"mediaType"` // of the same: an index or a manifest
	Length    int64  `json:"length"`    // of the same, in bytes
	Bytes     int64  `json:"bytes"`     // of all blobs on this machine's platform
	Platform  string `json:"platform"`  // such as linux/amd64
	Source    string `json:"source"`    // the file, directory or daemon it is from
}

// ImageRemoved is an image that was removed from the lab and from its nodes.
type ImageRemoved struct {
	Name  string   `json:"name"`
	Nodes []string `json:"nodes,omitempty"` // that had it
}

// ImagePull is a part of an image that a node asked a registry for, through the
// supervisor, and what came of it. What no registry was asked for is not told.
type ImagePull struct {
	Node  string        `json:"node"`
	Image string        `json:"image"`        // whole name; with @ and the digest of a blob
	Of    string        `json:"of,omitempty"` // the name of the image that it belongs to
	Part  string        `json:"part"`         // manifest or blob
	Bytes int64         `json:"bytes,omitempty"`
	Took  time.Duration `json:"took"`
	Error string        `json:"error,omitempty"` // why it failed
}

// ImageProgress is how far the download of a part of an image is that takes long.
// An ImagePull of the same Image ends it.
type ImageProgress struct {
	Nodes []string `json:"nodes"` // that wait for it
	Image string   `json:"image"` // as in ImagePull
	Of    string   `json:"of,omitempty"`
	Part  string   `json:"part"`
	Bytes int64    `json:"bytes"`          // that came
	Size  int64    `json:"size,omitempty"` // of all of it; 0 until the registry answers
}

// NodeImages are all images that a node has, as its containerd knows them.
type NodeImages struct {
	Node   string      `json:"node"`
	Images []NodeImage `json:"images,omitempty"` // by name
	// Unlisted is how many there was no room for.
	Unlisted int `json:"unlisted,omitempty"`
}

// NodeImage is one of them.
type NodeImage struct {
	Name   string `json:"name"`   // whole
	Digest string `json:"digest"` // of what the name stands for
	Bytes  int64  `json:"bytes"`  // of its blobs for this machine's platform
	// Layers of it, and how many of them are stored once for all nodes.
	Layers int `json:"layers"`
	Shared int `json:"shared,omitempty"`
	// From is where it came from: the workbench, what was loaded, or "" for a
	// registry.
	From string `json:"from,omitempty"`
}

// Type implements Body.
func (ImageProgress) Type() string { return "image.progress" }

// Type implements Body.
func (NodeImages) Type() string { return "image.node" }

func (ImageProgress) sealed() {}
func (NodeImages) sealed()    {}

// Type implements Body.
func (ImageLoaded) Type() string { return "image.loaded" }

// Type implements Body.
func (ImageRemoved) Type() string { return "image.removed" }

// Type implements Body.
func (ImagePull) Type() string { return "image.pull" }

func (ImagePull) sealed()    {}
func (ImageLoaded) sealed()  {}
func (ImageRemoved) sealed() {}
