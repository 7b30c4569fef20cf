package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Image is an image of the lab and the workers that have it.
type Image struct {
	Name   string `json:"name"`   // whole
	Digest string `json:"digest"` // of what the name stands for
	Bytes  int64  `json:"bytes"`
	// Layers of it, and how many of them are stored once for all nodes.
	Layers int `json:"layers"`
	Shared int `json:"shared"`
	// From is workbench, what it was loaded from, or pulled.
	From  string   `json:"from"`
	Nodes []string `json:"nodes"` // sorted
}

// ImageList is what workers have.
type ImageList struct {
	Images []Image `json:"images"` // by name
	// Workers that were asked, and why others could not be.
	Workers []string          `json:"workers"`
	Unasked map[string]string `json:"unasked,omitempty"`
}

// Where says which workers have an image, in short.
func (l ImageList) Where(i Image) string {
	switch {
	case len(i.Nodes) == 0:
		return "none"
	case slices.Equal(i.Nodes, l.Workers):
		return "all"
	}
	return strings.Join(i.Nodes, ",")
}

// Imager tells what images a lab's nodes have.
type Imager interface {
	Images(ctx context.Context) (ImageList, error)
}

func handleImages(mux *http.ServeMux, images Imager) {
	mux.HandleFunc("GET /v1/images", func(w http.ResponseWriter, r *http.Request) {
		list, err := images.Images(r.Context())
		answer(w, list, err)
	})
}

// Images asks the workers for their images.
func (c *Client) Images(ctx context.Context) (ImageList, error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/images", nil)
	if err != nil {
		return ImageList{}, err
	}
	defer resp.Body.Close()
	var list ImageList
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return ImageList{}, fmt.Errorf("read the supervisor's answer: %w", err)
	}
	return list, nil
}
