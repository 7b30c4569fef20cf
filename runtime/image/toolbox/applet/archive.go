package applet

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func archiveCommands() []command {
	return []command{{"tar", "c|x|t[vzOm] [-f FILE] [-C DIR] [NAME...]: archives; what kubectl cp needs", tarCommand}}
}

// archiver is one invocation of tar.
type archiver struct {
	call                                                    Call
	create, extract, list, verbose, zip, toOutput, absolute bool
	file                                                    string
	names                                                   []string
}

func tarCommand(c Call) error {
	a := archiver{call: c}
	args := c.Args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") { // the old style: "tar xf -"
		args = append([]string{"-" + args[0]}, args[1:]...)
	}
	flags := c.flags()
	for letter, on := range map[string]*bool{
		"c": &a.create, "x": &a.extract, "t": &a.list, "v": &a.verbose, "z": &a.zip, "O": &a.toOutput,
		"P": &a.absolute, "m": new(bool), "p": new(bool), "h": new(bool),
	} {
		flags.BoolVarP(on, "option-"+letter, letter, false, "")
	}
	flags.Bool("no-same-owner", false, "")
	flags.Bool("warning", false, "")
	flags.StringVarP(&a.file, "file", "f", "-", "")
	directory := flags.StringP("directory", "C", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	a.names = flags.Args()
	input, output, err := a.open()
	if err != nil {
		return err
	}
	if *directory != "" {
		if err := os.Chdir(*directory); err != nil {
			return err
		}
	}
	if a.create {
		return errors.Join(a.write(output), output.Close())
	}
	return errors.Join(a.read(input), input.Close())
}

// open opens the archive before the directory changes.
func (a *archiver) open() (io.ReadCloser, io.WriteCloser, error) {
	modes := 0
	for _, on := range []bool{a.create, a.extract, a.list} {
		if on {
			modes++
		}
	}
	if modes != 1 {
		return nil, nil, errors.New("want exactly one of c, x and t")
	}
	switch {
	case a.file == "-":
		return io.NopCloser(a.call.In), leaveOpen{a.call.Out}, nil
	case a.create:
		file, err := os.Create(a.file)
		return nil, file, err
	}
	file, err := os.Open(a.file)
	return file, nil, err
}

type leaveOpen struct{ io.Writer }

func (leaveOpen) Close() error { return nil }

func (a *archiver) write(output io.Writer) (err error) {
	if a.zip {
		zipped := gzip.NewWriter(output)
		defer func() { err = errors.Join(err, zipped.Close()) }()
		output = zipped
	}
	writer := tar.NewWriter(output)
	defer func() { err = errors.Join(err, writer.Close()) }()
	for _, root := range a.names {
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return a.add(writer, name, entry)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *archiver) add(writer *tar.Writer, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(name); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name = strings.TrimLeft(name, "/")
	if info.IsDir() {
		header.Name += "/"
	}
	if a.verbose {
		fmt.Fprintln(a.call.Err, header.Name)
	}
	if err := writer.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	// The file may grow meanwhile; the header has promised a size.
	_, err = io.CopyN(writer, file, info.Size())
	return err
}

func (a *archiver) read(input io.Reader) error {
	if a.zip || strings.HasSuffix(a.file, "gz") {
		zipped, err := gzip.NewReader(input)
		if err != nil {
			return err
		}
		defer zipped.Close()
		input = zipped
	}
	root, err := os.OpenRoot(".") // an archive cannot write outside the directory
	if err != nil {
		return err
	}
	defer root.Close()
	reader := tar.NewReader(input)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !a.wanted(header.Name) {
			continue
		}
		if a.list || a.verbose {
			fmt.Fprintln(a.call.Out, header.Name)
		}
		switch {
		case a.list:
		case a.toOutput:
			_, err = io.Copy(a.call.Out, reader)
		default:
			err = unpack(root, header, reader)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

func (a *archiver) wanted(name string) bool {
	if len(a.names) == 0 {
		return true
	}
	name = strings.Trim(name, "/")
	for _, want := range a.names {
		want = strings.Trim(want, "/")
		if name == want || strings.HasPrefix(name, want+"/") {
			return true
		}
	}
	return false
}

func unpack(root *os.Root, header *tar.Header, body io.Reader) error {
	name := filepath.Clean(strings.TrimLeft(header.Name, "/"))
	mode := header.FileInfo().Mode()
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(name, 0o755); err != nil {
			return err
		}
		return root.Chmod(name, mode.Perm())
	case tar.TypeSymlink:
		_ = root.Remove(name) // a link cannot be overwritten in place
		return root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		_ = root.Remove(name)
		return root.Link(header.Linkname, name)
	case tar.TypeReg:
		file, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode.Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(file, body)
		return errors.Join(err, file.Close())
	}
	return nil // devices and the like
}
