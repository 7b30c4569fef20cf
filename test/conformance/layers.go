package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"workbench/runtime/image/pause"
)

// buildLayers makes the layers that recipes put together, as uncompressed tars.
func buildLayers(ctx context.Context, work string) (map[string][]byte, error) {
	sources, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", kubernetes)
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(work, "bin")
	makers := map[string]func() (files, error){
		"busybox":          func() (files, error) { return shell(ctx, work) },
		"tools":            func() (files, error) { return tools(ctx, work) },
		"nginx":            func() (files, error) { return nginx(ctx, work) },
		"agnhost":          func() (files, error) { return agnhost(bin, sources) },
		"pause":            pausing,
		"nonewprivs":       func() (files, error) { return program(bin, "nnp", "usr/local/bin/nnp", 0o6755) },
		"sample-apiserver": func() (files, error) { return program(bin, "sample-apiserver", "sample-apiserver", 0o755) },
		"etcd":             func() (files, error) { return program(bin, "etcd", "usr/local/bin/etcd", 0o755) },
		"kitten":           func() (files, error) { return pages(sources, "kitten") },
		"nautilus":         func() (files, error) { return pages(sources, "nautilus") },
	}
	layers := map[string][]byte{}
	for name, make := range makers {
		content, err := make()
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
		if layers[name], err = content.tar(); err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
	}
	return layers, nil
}

// busybox is a root file system: BusyBox under all its names, the C library with
// its resolver, and more packages if wanted. What those bring wins over BusyBox.
func busybox(ctx context.Context, work, name string, more ...string) (files, error) {
	content, err := packages(ctx, filepath.Join(work, "debian", name), append(more, "busybox-static", "libc6")...)
	if err != nil {
		return nil, err
	}
	body := content["bin/busybox"].body
	// Its own list of names can be had only from running it.
	tool := filepath.Join(work, "debian", name, "busybox")
	if err := os.WriteFile(tool, body, 0o755); err != nil {
		return nil, err
	}
	list, err := output(ctx, tool, "--list")
	if err != nil {
		return nil, err
	}
	for _, applet := range strings.Fields(list) {
		if !content.has(applet) {
			content.link("bin/"+applet, "/bin/busybox")
		}
	}
	for dir, mode := range map[string]int64{"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "home": 0o755, "proc": 0o755, "sys": 0o755, "dev": 0o755} {
		content.dir(dir, mode)
	}
	content.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"+
		"www-data:x:33:33:www-data:/var/www:/bin/false\nuser-defined-in-image:x:1000:1000::/home:/bin/sh\n"))
	content.file("etc/group", 0o644, []byte("root:x:0:\nmail:x:8:\nwww-data:x:33:\nnogroup:x:65534:\n"+
		"user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n"))
	content.file("etc/nsswitch.conf", 0o644, []byte("passwd: files\ngroup: files\nhosts: files dns\n"))
	return content, nil
}

// shell is what the image busybox has. Tests want variables such as data-1 to reach
// what "sh" starts, which Debian's BusyBox keeps to itself, and a message of "/bin/sh"
// that is BusyBox's: the one found by PATH is another.
func shell(ctx context.Context, work string) (files, error) {
	content, err := busybox(ctx, work, "busybox", "bash")
	if err != nil {
		return nil, err
	}
	content.link("usr/local/bin/sh", "/bin/bash")
	return content, nil
}

// tools is what agnhost's Dockerfile has from Alpine. The shell is not BusyBox's,
// which prefers its own commands to those in PATH.
func tools(ctx context.Context, work string) (files, error) {
	content, err := busybox(ctx, work, "tools", "bash", "dash", "bind9-dnsutils", "bind9-host", "curl", "netcat-openbsd", "iproute2",
		"iperf", "iptables", "util-linux", "socat", "libc-bin")
	if err != nil {
		return nil, err
	}
	// A test of image volumes tells by this file that it sees an image based on Alpine.
	content.file("etc/os-release", 0o644, []byte("NAME=\"Debian in the place of Alpine Linux\"\nID=debian\n"))
	// Links that the scripts of Debian's packages would make.
	content.link("bin/sh", "dash")
	content.link("bin/nc", "nc.openbsd")
	for _, tool := range []string{"iptables", "ip6tables", "iptables-save", "ip6tables-save"} {
		content.link("usr/sbin/"+tool, "xtables-legacy-multi")
	}
	return content, nil
}

// has tells whether a command is in one of the directories of PATH.
func (f files) has(command string) bool {
	for _, dir := range []string{"usr/local/sbin/", "usr/local/bin/", "usr/sbin/", "usr/bin/", "sbin/", "bin/"} {
		if _, there := f[dir+command]; there {
			return true
		}
	}
	return false
}

func agnhost(bin, sources string) (files, error) {
	content, err := program(bin, "agnhost", "agnhost", 0o755)
	if err != nil {
		return nil, err
	}
	content.link("agnhost-2", "agnhost")
	content.dir("uploads", 0o755)
	for _, name := range []string{"localhost.crt", "localhost.key"} {
		if err := content.copy(name, filepath.Join(sources, "test/images/agnhost/porter", name), 0o644); err != nil {
			return nil, err
		}
	}
	return content, nil
}

// nginx serves where the official image does, so that tests find the page.
func nginx(ctx context.Context, work string) (files, error) {
	content, err := busybox(ctx, work, "nginx", "nginx")
	if err != nil {
		return nil, err
	}
	content.file("usr/share/nginx/html/index.html", 0o644, []byte("<!DOCTYPE html>\n<html><head><title>Welcome to nginx!</title></head>\n"+
		"<body><h1>Welcome to nginx!</h1></body></html>\n"))
	content.file("etc/nginx/nginx.conf", 0o644, []byte("user www-data;\nworker_processes 1;\nerror_log /dev/stderr;\npid /run/nginx.pid;\n"+
		"events { worker_connections 256; }\nhttp {\n  include mime.types;\n  access_log /dev/stdout;\n"+
		"  server { listen 80; root /usr/share/nginx/html; index index.html; }\n}\n"))
	for _, dir := range []string{"run", "var/log/nginx", "var/lib/nginx"} {
		content.dir(dir, 0o755)
	}
	return content, nil
}

// program is an image of one file.
func program(bin, name, target string, mode int64) (files, error) {
	content := files{}
	content.dir("tmp", 0o1777)
	return content, content.copy(target, filepath.Join(bin, name), mode)
}

// pages are what test/images/NAME/html has.
func pages(sources, name string) (files, error) {
	html := filepath.Join(sources, "test/images", name, "html")
	found, err := os.ReadDir(html)
	if err != nil {
		return nil, err
	}
	content := files{}
	for _, file := range found {
		if err := content.copy(file.Name(), filepath.Join(html, file.Name()), 0o644); err != nil {
			return nil, err
		}
	}
	return content, nil
}

// pausing is the lab's own, which does as much in a few hundred bytes.
func pausing() (files, error) {
	body, err := pause.Binary(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	content := files{}
	content.file("pause", 0o755, body)
	return content, nil
}
