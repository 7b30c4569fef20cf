package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"workbench/cluster/event"
)

// LoadedImages are the images that were loaded into the lab, by name.
func (l Lab) LoadedImages() ([]event.ImageLoaded, error) {
	raw, err := os.ReadFile(l.ImageList())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read images of lab %s: %w", l.Name, err)
	}
	var images []event.ImageLoaded
	if err := json.Unmarshal(raw, &images); err != nil {
		return nil, fmt.Errorf("read images of lab %s: %s: %w; remove the file and load them again", l.Name, l.ImageList(), err)
	}
	return images, nil
}

// SaveLoadedImages writes them down, sorted.
func (l Lab) SaveLoadedImages(images []event.ImageLoaded) error {
	slices.SortFunc(images, func(a, b event.ImageLoaded) int { return strings.Compare(a.Name, b.Name) })
	raw, err := json.MarshalIndent(images, "", "  ")
	if err != nil {
		return fmt.Errorf("write images of lab %s: %w", l.Name, err)
	}
	return WriteFile(l.ImageList(), append(raw, '\n'), 0o600)
}

// WithImage is the list with an image, in the place of one of that name.
func WithImage(images []event.ImageLoaded, i event.ImageLoaded) []event.ImageLoaded {
	return append(WithoutImage(images, i.Name), i)
}

// WithoutImage is the list without the image of a name.
func WithoutImage(images []event.ImageLoaded, name string) []event.ImageLoaded {
	return slices.DeleteFunc(slices.Clone(images), func(i event.ImageLoaded) bool { return i.Name == name })
}
