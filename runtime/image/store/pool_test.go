package store

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"workbench/runtime/image/imagetest"
)

// twoLayers is an image whose upper layer hides a file of the lower one.
func twoLayers(t *testing.T, arch string) imagetest.Made {
	t.Helper()
	base := imagetest.Layer(t, map[string]string{"etc/": "", "etc/kept": "what is kept", "etc/hidden": "hidden"})
	top := imagetest.Layer(t, map[string]string{"etc/": "", "etc/.wh.hidden": "", "etc/added": "added"})
	return imagetest.Make(t, "app", arch, ocispec.ImageConfig{}, [][]byte{base, top}, []digest.Digest{digest.FromBytes(base), digest.FromBytes(top)})
}

func newPool(t *testing.T) *Pool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: image files belong to root")
	}
	pool, err := OpenPool(filepath.Join(t.TempDir(), "pool"))
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// contents are the names in the pool, other than that of its lock.
func contents(t *testing.T, p *Pool) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"blobs/*/*", "layers/*", incoming + "*"} {
		found, err := filepath.Glob(filepath.Join(p.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	return names
}

func TestImport(t *testing.T) {
	m := twoLayers(t, "")
	other := twoLayers(t, "riscv64")
	for form, raw := range map[string][]byte{
		"docker save":    m.Docker(t),
		"OCI layout":     imagetest.Layer(t, imagetest.Files(t, m)),
		"many platforms": imagetest.Layer(t, imagetest.Files(t, other, m)),
	} {
		t.Run(form, func(t *testing.T) {
			p := newPool(t)
			found, err := p.Import(t.Context(), bytes.NewReader(raw), "")
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 || found[0].Name != "docker.io/library/app:latest" || found[0].Config.Digest != m.Config {
				t.Fatalf("found %+v", found)
			}
			parts, err := p.Parts(t.Context(), found[0].Target)
			if err != nil {
				t.Fatal(err)
			}
			top := layerIn(p.dir, parts.chain(1))
			var hidden unix.Stat_t
			if err := unix.Lstat(filepath.Join(top, "etc/hidden"), &hidden); err != nil || hidden.Mode&unix.S_IFMT != unix.S_IFCHR || hidden.Rdev != 0 {
				t.Errorf("what the upper layer hides is %+v, %v; want a whiteout of overlayfs", hidden, err)
			}
			if raw, err := os.ReadFile(filepath.Join(top, "etc/added")); err != nil || string(raw) != "added" {
				t.Errorf("the added file has %q, %v", raw, err)
			}
			before := contents(t, p)
			if _, err := p.Import(t.Context(), bytes.NewReader(raw), "other:2"); err != nil {
				t.Fatal(err)
			}
			if after := contents(t, p); !slices.Equal(before, after) {
				t.Errorf("loading it again left %v, had %v", after, before)
			}
			if _, err := p.Prune(t.Context(), []ocispec.Descriptor{found[0].Target}); err != nil || !slices.Equal(before, contents(t, p)) {
				t.Errorf("pruned %v, %v; all belongs to the image", contents(t, p), err)
			}
			if freed, err := p.Prune(t.Context(), nil); err != nil || freed == 0 || len(contents(t, p)) > 0 {
				t.Errorf("pruned %d bytes, left %v, %v", freed, contents(t, p), err)
			}
		})
	}
}

// TestWhatIsWrongLeavesNothing damages archives in every way that has a message of
// its own.
func TestWhatIsWrongLeavesNothing(t *testing.T) {
	m := twoLayers(t, "")
	files := imagetest.Files(t, m)
	layer := "blobs/sha256/" + m.Layers[1].Encoded()
	with := func(name string, change func(string) string) []byte {
		changed := maps.Clone(files)
		if content := change(changed[name]); content != "" {
			changed[name] = content
		} else {
			delete(changed, name)
		}
		return imagetest.Layer(t, changed)
	}
	flip := func(s string) string { return "x" + s[1:] }
	whole := imagetest.Layer(t, files)
	docker := m.Docker(t)
	at := bytes.Index(docker, []byte("what is kept")) // in a layer whose name has no digest
	flipped := slices.Clone(docker)
	flipped[at] ^= 1
	foreign := imagetest.Make(t, "app", "riscv64", ocispec.ImageConfig{}, nil, nil)
	for name, c := range map[string]struct {
		raw  []byte
		want []string
	}{
		"layer":         {with(layer, flip), []string{"damaged", m.Layers[1].String()}},
		"absent layer":  {with(layer, func(string) string { return "" }), []string{"missing", m.Layers[1].String()}},
		"docker layer":  {flipped, []string{"damaged", "should be"}},
		"cut off":       {whole[:len(whole)/2], []string{"too early"}},
		"no archive":    {[]byte(strings.Repeat("text", 500)), []string{"no archive of images"}},
		"empty":         {nil, []string{"no archive of images"}},
		"wrong machine": {imagetest.Layer(t, imagetest.Files(t, foreign)), []string{"linux/riscv64", "this machine is linux/"}},
		"nameless":      {with("index.json", func(s string) string { return strings.ReplaceAll(s, "io.containerd.image.name", "x") }), []string{"--tag"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t)
			_, err := p.Import(t.Context(), bytes.NewReader(c.raw), "")
			if err == nil {
				t.Fatal("it was loaded")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %q in it", err, want)
				}
			}
			if left := contents(t, p); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
	t.Run("reader", func(t *testing.T) {
		p, broken := newPool(t), errors.New("the disk is on fire")
		if _, err := p.Import(t.Context(), io.MultiReader(bytes.NewReader(whole[:4096]), failing{broken}), ""); !errors.Is(err, broken) || len(contents(t, p)) > 0 {
			t.Errorf("%v, left %v", err, contents(t, p))
		}
	})
}

type failing struct{ err error }

func (r failing) Read([]byte) (int, error) { return 0, r.err }

func TestLinkTreeKeepsWhatHides(t *testing.T) {
	p := newPool(t)
	src, dst := filepath.Join(p.dir, "src"), filepath.Join(p.dir, "dst")
	if err := errors.Join(os.MkdirAll(filepath.Join(src, "opaque"), 0o750), os.Mkdir(dst, 0o700), unix.Mknod(filepath.Join(src, "gone"), unix.S_IFCHR, 0)); err != nil {
		t.Fatal(err)
	}
	const attribute = "trusted.overlay.opaque"
	if err := unix.Setxattr(filepath.Join(src, "opaque"), attribute, []byte("y"), 0); err != nil {
		t.Skip("needs extended attributes: ", err)
	}
	if err := linkTree(src, dst, ""); err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 4)
	if n, err := unix.Getxattr(filepath.Join(dst, "opaque"), attribute, value); err != nil || string(value[:n]) != "y" {
		t.Errorf("the directory is not opaque: %v", err)
	}
	if info, err := os.Lstat(filepath.Join(dst, "gone")); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("the whiteout is %v, %v", info, err)
	}
}
