package bundle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"workbench/cluster/event"
	"workbench/cluster/layout"
	"workbench/cluster/scene"
	"workbench/cluster/spec"
	"workbench/runtime/image/imagetest"
	"workbench/runtime/image/store"
)

// lab is one with an image, a scene of a node, and files to take along.
func lab(t *testing.T) (layout.Lab, Contents) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: files belong to root")
	}
	place := layout.Lab{State: filepath.Join(t.TempDir(), "state"), Name: "class"}
	if err := place.Save(layout.Saved{Lab: spec.Default(), APIPort: 40001}); err != nil {
		t.Fatal(err)
	}
	layer := imagetest.Layer(t, map[string]string{"file": strings.Repeat("content ", 1000)})
	made := imagetest.Make(t, "app", "", ocispec.ImageConfig{}, [][]byte{layer}, []digest.Digest{digest.FromBytes(layer)})
	pool, err := store.OpenPool(place.ImagePool())
	if err != nil {
		t.Fatal(err)
	}
	found, err := pool.Import(t.Context(), bytes.NewReader(made.Docker(t)), "")
	if err != nil {
		t.Fatal(err)
	}
	root := place.Root("w1")
	holes := filepath.Join(root, "holes")
	err = errors.Join(
		place.SaveLoadedImages([]event.ImageLoaded{found[0].Loaded("app.tar")}),
		os.MkdirAll(place.PKI(), 0o700), os.MkdirAll(filepath.Join(root, "etc"), 0o751),
		os.WriteFile(filepath.Join(root, "etc/one"), []byte("one"), 0o640),
		os.Symlink("one", filepath.Join(root, "etc/link")), os.Lchown(filepath.Join(root, "etc/link"), 12, 34),
		unix.Mknod(filepath.Join(root, "gone"), unix.S_IFCHR, 0),
		os.WriteFile(holes, nil, 0o600), os.Truncate(holes, 64<<20), writeAt(holes, 5<<20, "amid holes"),
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scene.Save(place, "start", scene.About{Nodes: []string{"w1"}, At: time.Unix(1, 0)}, false); err != nil {
		t.Fatal(err)
	}
	exercise := filepath.Join(t.TempDir(), "exercise.yaml")
	if err := os.WriteFile(exercise, []byte("kind: Scenario\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return place, Contents{Scenes: []string{"start"}, Scenarios: []string{exercise}}
}

func writeAt(path string, at int64, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), at)
	return errors.Join(err, f.Close())
}

func TestSaveAndLoad(t *testing.T) {
	place, c := lab(t)
	file := filepath.Join(t.TempDir(), "class.wbb")
	if _, err := Save(t.Context(), place, file, c); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 {
		t.Errorf("the bundle has %v bytes, %v; holes are not packed", info.Size(), err)
	}
	state := filepath.Join(t.TempDir(), "elsewhere")
	index, err := Load(t.Context(), state, file)
	if err != nil {
		t.Fatal(err)
	}
	loaded := layout.Lab{State: state, Name: "class"}
	if index.Lab != "class" || len(index.Scenes) != 1 || len(index.Scenarios) != 1 {
		t.Errorf("index %+v", index)
	}
	if saved, err := loaded.Load(); err != nil || saved.APIPort != 40001 || saved.Lab.Spec.Workers.Count != 3 {
		t.Errorf("lab %+v, %v", saved, err)
	}
	m, err := scene.Open(loaded, "start")
	if err == nil {
		err = scene.Verify(loaded, m)
	}
	if err != nil {
		t.Error(err)
	}
	tree := filepath.Join(loaded.Scenes(), "start/tree/nodes/w1/root")
	for name, want := range map[string]func(*unix.Stat_t) bool{
		"etc":      func(s *unix.Stat_t) bool { return s.Mode == unix.S_IFDIR|0o751 },
		"etc/one":  func(s *unix.Stat_t) bool { return s.Mode == unix.S_IFREG|0o640 },
		"etc/link": func(s *unix.Stat_t) bool { return s.Mode&unix.S_IFMT == unix.S_IFLNK && s.Uid == 12 && s.Gid == 34 },
		"gone":     func(s *unix.Stat_t) bool { return s.Mode&unix.S_IFMT == unix.S_IFCHR && s.Rdev == 0 },
		"holes":    func(s *unix.Stat_t) bool { return s.Size == 64<<20 && s.Blocks*512 < 1<<20 },
	} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(tree, name), &st); err != nil || !want(&st) {
			t.Errorf("%s is %+v, %v", name, st, err)
		}
	}
	images, err := loaded.LoadedImages()
	if err != nil || len(images) != 1 || images[0].Source != "class.wbb" {
		t.Fatalf("images %+v, %v", images, err)
	}
	pool, err := store.OpenPool(loaded.ImagePool())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Parts(t.Context(), ocispec.Descriptor{MediaType: images[0].MediaType, Digest: digest.Digest(images[0].Digest), Size: images[0].Length}); err != nil {
		t.Error(err)
	}
	if _, err := Load(t.Context(), state, file); err == nil || !strings.Contains(err.Error(), "lab class exists") {
		t.Errorf("loaded over a lab: %v", err)
	}
	onlyLab(t, state, true)
}

// onlyLab holds that a state directory has the lab or nothing, and nothing that was
// on the way.
func onlyLab(t *testing.T, state string, there bool) {
	t.Helper()
	entries, err := os.ReadDir(state)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".images" && (e.Name() != "class" || !there) {
			t.Errorf("left %s", e.Name())
		}
	}
}

// TestDamageIsRefused changes a byte of each entry of a bundle, and cuts it off.
func TestDamageIsRefused(t *testing.T) {
	place, c := lab(t)
	file := filepath.Join(t.TempDir(), "class.wbb")
	if _, err := Save(t.Context(), place, file, c); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	plain := new(bytes.Buffer)
	if _, err := plain.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	pack := func(raw []byte) []byte {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		return w.EncodeAll(raw, nil)
	}
	flip := func(text string) []byte {
		raw := bytes.Clone(plain.Bytes())
		at := bytes.Index(raw, []byte(text))
		if at < 0 {
			t.Fatalf("no %q in the bundle", text)
		}
		raw[at] ^= 1
		return pack(raw)
	}
	packedFlip := bytes.Clone(packed)
	packedFlip[len(packedFlip)/2] ^= 1
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"scenario":   {flip("kind: Scenario"), "scenarios/exercise.yaml is not what was saved"},
		"layer":      {flip("content content"), "images.tar is not what was saved"},
		"lab":        {flip("40001"), "lab.json is not what was saved"},
		"cut off":    {packed[:len(packed)-200], "damaged"},
		"index gone": {pack(plain.Bytes()[:bytes.LastIndex(plain.Bytes(), []byte("index.json"))]), "damaged"},
		"packed":     {packedFlip, "damaged"},
		"no bundle":  {[]byte("this is text"), "or this is none"},
	} {
		t.Run(name, func(t *testing.T) {
			bad, state := filepath.Join(t.TempDir(), "bad.wbb"), filepath.Join(t.TempDir(), "state")
			if err := os.WriteFile(bad, c.raw, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(t.Context(), state, bad)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was loaded") {
				t.Errorf("%v; want %q in it", err, c.want)
			}
			onlyLab(t, state, false)
		})
	}
}
