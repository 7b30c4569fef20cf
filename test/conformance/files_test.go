package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// TestTarOfFiles writes a layer and reads it as an extractor would: parents
// come first, links and modes stay, and a later entry of one path wins.
func TestTarOfFiles(t *testing.T) {
	content := files{}
	content.file("usr/bin/tool", 0o6755, []byte("old"))
	content.file("/usr/bin/tool", 0o6755, []byte("new"))
	content.link("bin/sh", "/bin/busybox")
	content.dir("tmp", 0o1777)
	layer, err := content.tar()
	if err != nil {
		t.Fatal(err)
	}
	again, err := content.tar()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(layer, again) {
		t.Error("the same files gave two layers")
	}
	var names []string
	in := tar.NewReader(bytes.NewReader(layer))
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		switch header.Name {
		case "usr/bin/tool":
			if header.Mode != 0o6755 || string(body) != "new" {
				t.Errorf("%s: mode %o, %q", header.Name, header.Mode, body)
			}
		case "bin/sh":
			if header.Typeflag != tar.TypeSymlink || header.Linkname != "/bin/busybox" {
				t.Errorf("%s: type %c to %s", header.Name, header.Typeflag, header.Linkname)
			}
		}
	}
	want := []string{"bin/", "bin/sh", "tmp/", "usr/", "usr/bin/", "usr/bin/tool"}
	if !slices.Equal(names, want) {
		t.Errorf("entries %v, want %v", names, want)
	}
	if !content.has("tool") || content.has("sh2") {
		t.Error("a command in PATH is not found, or one that is not there is")
	}
}

// TestReadTurnsHardLinks makes a hard link symbolic, whose target may come later.
func TestReadTurnsHardLinks(t *testing.T) {
	var packed bytes.Buffer
	out := tar.NewWriter(&packed)
	for _, header := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "./usr/bin/z", Mode: 0o755},
		{Typeflag: tar.TypeLink, Name: "./usr/bin/a", Linkname: "./usr/bin/z"},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/x"},
	} {
		if err := out.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	content := files{}
	if err := content.read(&packed, func(name string) bool { return name != "usr/share/doc/x" }); err != nil {
		t.Fatal(err)
	}
	link := content["usr/bin/a"].header
	if link.Typeflag != tar.TypeSymlink || link.Linkname != "/usr/bin/z" {
		t.Errorf("the link became type %c to %q", link.Typeflag, link.Linkname)
	}
	if _, there := content["usr/share/doc/x"]; there {
		t.Error("an entry that was not wanted is there")
	}
}
