package kubeconfig_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"workbench/cluster/kubeconfig"
)

// users is a kubeconfig with what Workbench must not touch: other entries, exec
// credentials, relative paths, extensions and preferences of another tool.
const users = `apiVersion: v1
kind: Config
clusters:
- name: work
  cluster:
    server: https://work.example:6443
    certificate-authority: certs/ca.crt
    extensions:
    - name: tool.example/info
      extension: {provider: x}
users:
- name: work
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: login
      interactiveMode: Never
contexts:
- name: work
  context: {cluster: work, user: work, namespace: team}
current-context: work
`

func labConfig(t *testing.T, lab string) []byte {
	t.Helper()
	name := kubeconfig.Name(lab)
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[name] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:40123"}
	cfg.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: []byte("c"), ClientKeyData: []byte("k")}
	cfg.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	cfg.CurrentContext = name
	data, err := clientcmd.Write(*cfg)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path, data string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), mode); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string) *clientcmdapi.Config {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func merge(t *testing.T, path, lab string, opts kubeconfig.Options) {
	t.Helper()
	if err := kubeconfig.Merge(t.Context(), path, labConfig(t, lab), opts); err != nil {
		t.Fatal(err)
	}
}

// onlyFile checks that a directory holds nothing else: no lock, no temporary file.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left beside %s: %v, %v", path, entries, err)
	}
}

func TestMergeIntoNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".kube", "config")
	merge(t, path, "dev", kubeconfig.Options{Use: true})
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if cfg := load(t, path); cfg.CurrentContext != "workbench-dev" || cfg.Contexts["workbench-dev"].Cluster != "workbench-dev" {
		t.Errorf("merged %+v", cfg)
	}
	onlyFile(t, path)
}

func TestMergeAndRemoveKeepTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, users, 0o640)
	before, err := clientcmd.Write(*load(t, path))
	if err != nil {
		t.Fatal(err)
	}
	merge(t, path, "dev", kubeconfig.Options{})
	if cfg := load(t, path); cfg.CurrentContext != "work" || len(cfg.Clusters) != 2 {
		t.Errorf("merged: current %q, %d clusters", cfg.CurrentContext, len(cfg.Clusters))
	}
	if err := kubeconfig.Remove(t.Context(), path, kubeconfig.Name("dev")); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Errorf("after merge and remove:\n%s\nwant:\n%s", after, before)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	onlyFile(t, path)
}

func TestMergeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	merge(t, path, "dev", kubeconfig.Options{Use: true})
	cfg := load(t, path)
	cfg.Contexts["workbench-dev"].Namespace = "mine"
	if err := clientcmd.WriteToFile(*cfg, path); err != nil {
		t.Fatal(err)
	}
	moved := strings.ReplaceAll(string(labConfig(t, "dev")), "40123", "40999")
	if err := kubeconfig.Merge(t.Context(), path, []byte(moved), kubeconfig.Options{}); err != nil {
		t.Fatal(err)
	}
	cfg = load(t, path)
	if got := cfg.Clusters["workbench-dev"].Server; got != "https://127.0.0.1:40999" {
		t.Errorf("server %s", got)
	}
	if got := cfg.Contexts["workbench-dev"].Namespace; got != "mine" {
		t.Errorf("the user's namespace became %q", got)
	}
}

func TestRemoveCurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	merge(t, path, "dev", kubeconfig.Options{Use: true})
	for range 2 {
		if err := kubeconfig.Remove(t.Context(), path, "workbench-dev"); err != nil {
			t.Fatal(err)
		}
	}
	if cfg := load(t, path); cfg.CurrentContext != "" || len(cfg.Clusters)+len(cfg.AuthInfos)+len(cfg.Contexts) > 0 {
		t.Errorf("left %+v", cfg)
	}
	missing := filepath.Join(t.TempDir(), "none", "config")
	if err := kubeconfig.Remove(t.Context(), missing, "workbench-dev"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(missing)); err == nil {
		t.Error("removing from nothing made a directory")
	}
}

func TestLinks(t *testing.T) {
	for name, target := range map[string]string{"relative": "../dotfiles/config", "dangling": "../dotfiles/deep/config"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "dotfiles/config"), users, 0o600)
			link := filepath.Join(dir, "kube", "config")
			if err := os.Mkdir(filepath.Dir(link), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, link); err != nil {
				t.Fatal(err)
			}
			merge(t, link, "dev", kubeconfig.Options{})
			if got, err := os.Readlink(link); err != nil || got != target {
				t.Errorf("the link became %q, %v", got, err)
			}
			if cfg := load(t, filepath.Join(filepath.Dir(link), target)); cfg.Clusters["workbench-dev"] == nil {
				t.Error("not merged into the file behind the link")
			}
			onlyFile(t, link)
		})
	}
	loop := filepath.Join(t.TempDir(), "config")
	if err := os.Symlink("config", loop); err != nil {
		t.Fatal(err)
	}
	if err := kubeconfig.Merge(t.Context(), loop, labConfig(t, "dev"), kubeconfig.Options{}); err == nil {
		t.Error("merged into a loop of links")
	}
}

func TestMalformedIsLeft(t *testing.T) {
	for name, content := range map[string]string{
		"garbage": "\x00{{", "another kind": "apiVersion: v1\nkind: Pod\n", "wrong types": "apiVersion: v1\nkind: Config\nclusters: 7\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config")
			write(t, path, content, 0o600)
			for _, err := range []error{
				kubeconfig.Merge(t.Context(), path, labConfig(t, "dev"), kubeconfig.Options{}),
				kubeconfig.Remove(t.Context(), path, "workbench-dev"),
			} {
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "malformed") {
					t.Errorf("got %v", err)
				}
			}
			if data, _ := os.ReadFile(path); string(data) != content {
				t.Errorf("became %q", data)
			}
			onlyFile(t, path)
		})
	}
	directory := t.TempDir()
	if err := kubeconfig.Merge(t.Context(), directory, labConfig(t, "dev"), kubeconfig.Options{}); err == nil {
		t.Error("merged into a directory")
	}
}

func TestMergersAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "config"), filepath.Join(dir, "link")
	write(t, path, users, 0o600)
	if err := os.Symlink("config", link); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		from := labConfig(t, fmt.Sprint(i))
		group.Go(func() {
			into := []string{path, link}[i%2]
			for range 5 {
				if err := kubeconfig.Merge(t.Context(), into, from, kubeconfig.Options{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	cfg := load(t, path)
	if len(cfg.Clusters) != 9 || len(cfg.AuthInfos) != 9 || len(cfg.Contexts) != 9 || cfg.CurrentContext != "work" {
		t.Errorf("%d clusters, %d users, %d contexts, current %q", len(cfg.Clusters), len(cfg.AuthInfos), len(cfg.Contexts), cfg.CurrentContext)
	}
}

func TestLockHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, users, 0o600)
	write(t, path+".lock", "", 0o600)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	cancel(stop)
	if err := kubeconfig.Merge(ctx, path, labConfig(t, "dev"), kubeconfig.Options{}); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	ctx, end := context.WithTimeout(t.Context(), 1)
	defer end()
	err := kubeconfig.Merge(ctx, path, labConfig(t, "dev"), kubeconfig.Options{})
	if err == nil || !strings.Contains(err.Error(), "remove "+path+".lock") {
		t.Errorf("got %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != users {
		t.Error("changed without the lock")
	}
}

func TestPath(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	existing, missing := filepath.Join(dir, "existing"), filepath.Join(dir, "missing")
	write(t, existing, users, 0o600)
	list := func(files ...string) string { return strings.Join(files, string(filepath.ListSeparator)) }
	for name, c := range map[string]struct{ env, want string }{
		"unset":          {"", filepath.Join(dir, ".kube", "config")},
		"only empty":     {list("", ""), filepath.Join(dir, ".kube", "config")},
		"existing":       {list(missing, existing), existing},
		"missing":        {list("", missing), missing},
		"not a file":     {list(dir, existing), existing},
		"nothing usable": {dir, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", c.env)
			got, err := kubeconfig.Path()
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.conf")
	if _, err := kubeconfig.Read(path); err == nil || !strings.Contains(err.Error(), "workbench up") {
		t.Errorf("got %v", err)
	}
	write(t, path, "{{", 0o600)
	if _, err := kubeconfig.Read(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	write(t, path, users, 0o600)
	if data, err := kubeconfig.Read(path); err != nil || string(data) != users {
		t.Errorf("got %q, %v", data, err)
	}
}
