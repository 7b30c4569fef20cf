// Command build compiles the programs that package programs carries into its
// dist directory. Go links a program again only where it changed, which those in
// the directory of the built ones tell it, and an unchanged one is not packed
// again, so that the workbench binary is not relinked for nothing.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"workbench/runtime/programs"
)

// tags leave out containerd parts that need C libraries.
const tags = "no_btrfs no_devmapper no_zfs no_aufs"

func main() {
	ldflags := flag.String("ldflags", "-s -w", "flags of the linker")
	built := flag.String("built", filepath.Join("bin", "programs"), "directory that keeps what was linked")
	flag.Parse()
	if err := run(*ldflags, *built, filepath.Join("runtime", "programs", "dist")); err != nil {
		fmt.Fprintf(os.Stderr, "build programs: %v\n", err)
		os.Exit(1)
	}
}

func run(ldflags, built, dist string) error {
	if _, err := os.Stat(dist); err != nil {
		return fmt.Errorf("run it in the top directory of the project: %w", err)
	}
	if err := os.MkdirAll(built, 0o755); err != nil {
		return err
	}
	wanted := programs.All()
	sums := make([]string, len(wanted))
	var all errgroup.Group
	all.SetLimit(2) // linking Kubernetes takes one processor and much memory
	for i, p := range wanted {
		all.Go(func() (err error) {
			if sums[i], err = build(p, ldflags, filepath.Join(built, p.Name), filepath.Join(dist, p.Packed())); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	whole := sha256.New()
	for i, p := range wanted {
		fmt.Fprintf(whole, "%s %s\n", p.Name, sums[i])
	}
	return writeChanged(filepath.Join(dist, programs.Sum), []byte(hex.EncodeToString(whole.Sum(nil))[:16]))
}

// build links a program, packs it if it is not what is packed already, and
// returns its digest.
func build(p programs.Program, ldflags, binary, packed string) (string, error) {
	cmd := exec.Command("go", "build", "-tags", tags, "-ldflags", ldflags, "-o", binary, p.Package)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", err
	}
	sum, err := digest(binary)
	if err != nil {
		return "", err
	}
	of := binary + ".packed" // what was packed last, by the digests of both
	if was, err := os.ReadFile(of); err == nil {
		if have, err := digest(packed); err == nil && string(was) == sum+" "+have {
			return sum, nil
		}
	}
	if err := pack(binary, packed); err != nil {
		return "", err
	}
	have, err := digest(packed)
	if err != nil {
		return "", err
	}
	return sum, os.WriteFile(of, []byte(sum+" "+have), 0o644)
}

func pack(binary, packed string) error {
	raw, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	return writeChanged(packed, out.Bytes())
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func writeChanged(file string, data []byte) error {
	if have, err := os.ReadFile(file); err == nil && bytes.Equal(have, data) {
		return nil
	}
	return os.WriteFile(file, data, 0o644)
}
