package ui

import (
	"fmt"
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"

	"workbench/cluster/state"
)

// imagesJournal was recorded from a lab of a control plane and two workers, cut down
// to its nodes and images: one is loaded, others are pulled from registries that are
// right, slow, wrong, down, private, or of an unknown authority.
const imagesJournal = "testdata/images.jsonl"

// Moments of the recording, in seconds from its start.
const (
	imagesSlow   = 30.5 // half of a layer came
	imagesFailed = 45.0 // all pulls have ended, some well
)

// openImages starts the app with the images at a moment of the recording.
func openImages(t *testing.T, w, h int, moment float64) *driver {
	t.Helper()
	events := eventsUntil(t, imagesJournal, moment)
	out := &recorder{}
	d := &driver{t: t, m: newApp(Config{}, out), out: out}
	d.m.Init()
	return d.send(tea.WindowSizeMsg{Width: w, Height: h}, worldMsg{state.New()}, eventsMsg{events}).press("6", "tab", "tab", "tab")
}

func TestImagesFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
		for _, shot := range []struct {
			name   string
			moment float64
			keys   []string
		}{
			{"slow", imagesSlow, []string{"/", "t", "e", "a", "m", "enter"}},
			{"failed", imagesFailed, []string{"down", "down"}},
			{"sorted", imagesFailed, []string{"o", "O", "G"}},
		} {
			t.Run(fmt.Sprintf("%s/%dx%d", shot.name, size[0], size[1]), func(t *testing.T) {
				d := openImages(t, size[0], size[1], shot.moment).press(shot.keys...)
				checkFits(t, d, size[0], size[1])
				golden(t, fmt.Sprintf("testdata/frames/images-%s-%dx%d.txt", shot.name, size[0], size[1]), []byte(d.frame()))
			})
		}
	}
}

// TestImagesAreActedOn looks at an image, and removes it.
func TestImagesAreActedOn(t *testing.T) {
	d := openImages(t, 120, 40, imagesFailed).press("/", "c", "l", "a", "s", "s", "enter", "d")
	if want := "image list docker.io/class/app:latest"; !slices.Contains(d.out.pages, want) {
		t.Errorf("asked for the pages %q, want %q", d.out.pages, want)
	}
	d.press("esc", "l").sees("images have none of their own").press("x").sees("Remove image docker.io/class/app:latest?").press("y")
	if want := "image rm docker.io/class/app:latest"; !slices.Contains(d.out.runs, want) {
		t.Errorf("ran %q, want %q", d.out.runs, want)
	}
}
