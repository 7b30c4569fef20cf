// Package kubeconfig puts a lab into the user's own kubeconfig, so that kubectl,
// k9s and helm find it, and takes it out again.
//
// A lab is one cluster, one user and one context of the same name, see Name.
// Files are changed the way kubectl changes them: under kubectl's lock file
// (PATH.lock) and through client-go's loader, which keeps all settings but not
// YAML comments. Unlike kubectl's, a change is atomic: the file is replaced
// whole or not at all. Its mode and owner stay, and links are followed, not
// replaced.
package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Name is what a lab's cluster, user and context are called.
func Name(lab string) string { return "workbench-" + lab }

// Options say how to merge.
type Options struct {
	// Use makes the merged context the current one.
	Use bool
}

// Path is the user's kubeconfig to change: of the files that KUBECONFIG lists,
// the first that exists and can be written, else the first that can be made;
// without KUBECONFIG, ~/.kube/config.
func Path() (string, error) {
	var files []string
	for _, file := range filepath.SplitList(os.Getenv(clientcmd.RecommendedConfigPathEnvVar)) {
		if file != "" {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find kubeconfig: %w; set KUBECONFIG to the file to use", err)
		}
		return filepath.Join(home, clientcmd.RecommendedHomeDir, clientcmd.RecommendedFileName), nil
	}
	missing := ""
	for _, file := range files {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		switch {
		case err == nil:
			return file, f.Close()
		case errors.Is(err, fs.ErrNotExist) && missing == "":
			missing = file
		}
	}
	if missing == "" {
		return "", fmt.Errorf("find kubeconfig: none of the files in KUBECONFIG=%s can be written; add one that can",
			os.Getenv(clientcmd.RecommendedConfigPathEnvVar))
	}
	return missing, nil
}

// Read returns a lab's kubeconfig as it is on disk, after checking that it is one.
func Read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read kubeconfig: %s does not exist; start the lab with 'workbench up'", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	if _, err := clientcmd.Load(data); err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w; remove the file and run 'workbench up' to make it anew", path, err)
	}
	return data, nil
}

// Merge adds the clusters, users and contexts of from to the file, replacing
// those of the same name; the file is made when it does not exist. What the user
// set on a context that is replaced, such as its namespace, stays.
func Merge(ctx context.Context, path string, from []byte, opts Options) error {
	add, err := clientcmd.Load(from)
	if err != nil {
		return fmt.Errorf("merge into kubeconfig %s: the lab's kubeconfig is malformed: %w", path, err)
	}
	err = change(ctx, path, func(cfg *clientcmdapi.Config, _ bool) bool {
		for name, cluster := range add.Clusters {
			cfg.Clusters[name] = cluster
		}
		for name, user := range add.AuthInfos {
			cfg.AuthInfos[name] = user
		}
		for name, c := range add.Contexts {
			if old := cfg.Contexts[name]; old != nil && old.Cluster == c.Cluster && old.AuthInfo == c.AuthInfo {
				continue
			}
			cfg.Contexts[name] = c
		}
		if opts.Use {
			cfg.CurrentContext = add.CurrentContext
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("merge into kubeconfig %s: %w", path, err)
	}
	return nil
}

// Remove takes the cluster, user and context called name (see Name) out of the
// file, and unsets the current context if it is that one. It is no error if they
// or the file do not exist.
func Remove(ctx context.Context, path, name string) error {
	err := change(ctx, path, func(cfg *clientcmdapi.Config, exists bool) bool {
		if !exists {
			return false
		}
		_, cluster := cfg.Clusters[name]
		_, user := cfg.AuthInfos[name]
		_, context := cfg.Contexts[name]
		current := cfg.CurrentContext == name
		delete(cfg.Clusters, name)
		delete(cfg.AuthInfos, name)
		delete(cfg.Contexts, name)
		if current {
			cfg.CurrentContext = ""
		}
		return cluster || user || context || current
	})
	if err != nil {
		return fmt.Errorf("remove %s from kubeconfig %s: %w", name, path, err)
	}
	return nil
}
