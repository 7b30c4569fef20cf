package event

import "time"

func init() {
	register[ImageLoaded]()
	register[ImageRemoved]()
	register[ImagePull]()
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
// supervisor, and what came of it. What is in the cache already is not told.
type ImagePull struct {
	Node  string        `json:"node"`
	Image string        `json:"image"` // whole name; with @ and the digest of a blob
	Part  string        `json:"part"`  // manifest or blob
	Bytes int64         `json:"bytes,omitempty"`
	Took  time.Duration `json:"took"`
	Error string        `json:"error,omitempty"` // why it failed
}

// Type implements Body.
func (ImageLoaded) Type() string { return "image.loaded" }

// Type implements Body.
func (ImageRemoved) Type() string { return "image.removed" }

// Type implements Body.
func (ImagePull) Type() string { return "image.pull" }

func (ImagePull) sealed()    {}
func (ImageLoaded) sealed()  {}
func (ImageRemoved) sealed() {}
