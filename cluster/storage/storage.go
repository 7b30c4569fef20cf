// Package storage gives claims volumes: directories on the disk of the node that
// the scheduler chose for the first pod of a claim. The loop is upstream's
// (sig-storage-lib-external-provisioner); what a volume is, is decided here.
//
//	claim -> scheduler chooses a node -> Provision: a directory there, and its
//	PersistentVolume with an affinity to the node -> bound
//	claim deleted -> Delete: the directory goes, then the PersistentVolume
package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is the provisioner's name in StorageClasses.
const Name = "workbench.local/volumes"

// Dir is where a node has its volumes, each in a directory with the name of its
// PersistentVolume.
const Dir = "/var/lib/workbench/volumes"

// ErrNoNode says that the lab has no node of that name, so that nothing of it is
// left either.
var ErrNoNode = errors.New("the lab has no such node")

// Config of a provisioner.
type Config struct {
	REST *rest.Config
	// Root opens the root file system of a node. It fails with ErrNoNode when there
	// is no such node, and otherwise while the node does not run: nobody can reach
	// the disk of a machine that is off.
	Root func(node string) (*os.Root, error)
	Log  *slog.Logger
}

// A claim or volume that could not be served is tried again after retryFirst, and
// then ever later up to retryMost.
const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 15 * time.Second
	workers    = 2
)

// Run provisions and deletes volumes until ctx ends.
func Run(ctx context.Context, cfg Config) error {
	api := rest.CopyConfig(cfg.REST)
	api.UserAgent = "workbench-storage"
	api.ContentType = "application/vnd.kubernetes.protobuf"
	api.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(api)
	if err != nil {
		return fmt.Errorf("provision volumes: %w", err)
	}
	ctx = klog.NewContext(ctx, logr.FromSlogHandler(quiet{cfg.Log.With("component", "storage").Handler()}))
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryMost)
	controller.NewProvisionController(ctx, client, Name, provisioner{root: cfg.Root},
		controller.LeaderElection(false), // there is one supervisor
		controller.Threadiness(workers),
		controller.RateLimiter(limiter),
		// A claim is tried for as long as it is there: its node may come back.
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
		controller.CreateProvisionedPVBackoff(wait.Backoff{Duration: retryFirst, Factor: 2, Steps: 8}),
	).Run(ctx)
	return nil
}

// quiet passes on warnings and errors: upstream says at the level of information
// all that its Events say too.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}
