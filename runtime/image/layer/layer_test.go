package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestTarDoesNotDependOnOrder(t *testing.T) {
	entries := []Entry{
		Directory("bin", 0o755),
		File("bin/toolbox", 0o755, []byte("body")),
		Symlink("bin/sh", "toolbox"),
		Directory("tmp", 0o777|fs.ModeSticky),
	}
	first, err := Tar(entries)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(entries)
	second, err := Tar(entries)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same entries in another order gave other bytes")
	}

	var listing []string
	reader := tar.NewReader(bytes.NewReader(first))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.ModTime.Unix() != 0 || header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s: time %v owner %d:%d", header.Name, header.ModTime, header.Uid, header.Gid)
		}
		listing = append(listing, header.Name)
		if header.Name == "tmp/" && header.Mode != 0o1777 {
			t.Errorf("tmp has mode %o", header.Mode)
		}
	}
	if got, want := strings.Join(listing, " "), "bin/ bin/sh bin/toolbox tmp/"; got != want {
		t.Errorf("entries %q, want %q", got, want)
	}
}

func TestTarRefuses(t *testing.T) {
	for name, entries := range map[string][]Entry{
		"absolute":       {File("/etc", 0o644, nil)},
		"outside":        {File("../etc", 0o644, nil)},
		"orphan":         {File("etc/passwd", 0o644, nil)},
		"twice":          {Directory("etc", 0o755), Directory("etc", 0o755)},
		"below a file":   {File("etc", 0o644, nil), File("etc/passwd", 0o644, nil)},
		"link to naught": {Symlink("sh", "")},
	} {
		if _, err := Tar(entries); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
