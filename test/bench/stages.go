package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"workbench/runtime/image"
)

// stages of a boot, in milliseconds from its start; those of minikube's
// timeToK8s, as far as a lab has them.
type stages struct {
	Command int64 `json:"commandMs,omitempty"` // up --detach returned
	API     int64 `json:"apiMs"`               // /readyz answers ok through the user's way in
	Service int64 `json:"serviceMs"`           // Service default/kubernetes can be read
	Pod     int64 `json:"podMs"`               // a pod that was created as soon as the API took it runs
	Ready   int64 `json:"readyMs"`             // all workers' Nodes are Ready, by a heartbeat of this boot
}

// Intervals at which the stages are asked for: how exact they are.
const (
	askAPI     = 20 * time.Millisecond
	askObjects = 50 * time.Millisecond
)

// observer finds out when a booting lab reaches its stages.
type observer struct {
	began      time.Time
	kubeconfig string
	dial       func(*rest.Config) // how to get there, where not by the kubeconfig alone
	workers    int
	pod        string // name for the pod
}

func (o observer) observe(ctx context.Context) (stages, error) {
	var s stages
	client, err := o.client(ctx)
	if err != nil {
		return s, err
	}
	if s.API, err = o.until(ctx, askAPI, "the API to answer", func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}); err != nil {
		return s, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		s.Service, err = o.until(ctx, askObjects, "Service kubernetes", func(ctx context.Context) error {
			_, err := client.CoreV1().Services("default").Get(ctx, "kubernetes", metav1.GetOptions{})
			return err
		})
		return err
	})
	group.Go(func() (err error) {
		pods := client.CoreV1().Pods("default")
		if _, err := o.until(ctx, askObjects, "the API to take a pod", func(ctx context.Context) error {
			_, err := pods.Create(ctx, o.appPod(), metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return nil // it was taken though no answer came in time
			}
			return err
		}); err != nil {
			return err
		}
		s.Pod, err = o.until(ctx, askObjects, "the pod to run", func(ctx context.Context) error {
			pod, err := pods.Get(ctx, o.pod, metav1.GetOptions{})
			if err == nil && pod.Status.Phase != corev1.PodRunning {
				err = fmt.Errorf("it is %s", pod.Status.Phase)
			}
			return err
		})
		return err
	})
	group.Go(func() (err error) {
		s.Ready, err = o.until(ctx, askObjects, "all nodes to be Ready", func(ctx context.Context) error { return o.allReady(ctx, client) })
		return err
	})
	return s, group.Wait()
}

// client waits for the kubeconfig, which a new lab writes while it boots.
func (o observer) client(ctx context.Context) (*kubernetes.Clientset, error) {
	if _, err := o.until(ctx, askAPI, "the kubeconfig", func(context.Context) error {
		_, err := os.Stat(o.kubeconfig)
		return err
	}); err != nil {
		return nil, err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg.QPS, cfg.Timeout = -1, 2*time.Second
	if o.dial != nil {
		o.dial(cfg)
	}
	return kubernetes.NewForConfig(cfg)
}

// until asks again and again and returns when the answer was yes.
func (o observer) until(ctx context.Context, every time.Duration, what string, ask func(context.Context) error) (int64, error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return time.Since(o.began).Milliseconds(), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for %s: %w: %w", what, context.Cause(ctx), err)
		}
	}
}

func (o observer) allReady(ctx context.Context, client *kubernetes.Clientset) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	leases, err := client.CoordinationV1().Leases("kube-node-lease").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	beats := map[string]bool{}
	for _, l := range leases.Items {
		beats[l.Name] = l.Spec.RenewTime != nil && l.Spec.RenewTime.After(o.began)
	}
	ready := 0
	for _, n := range nodes.Items {
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && beats[n.Name] {
				ready++
			}
		}
	}
	if ready < o.workers {
		return errors.New("some are not")
	}
	return nil
}

func (o observer) appPod() *corev1.Pod {
	now := int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: o.pod},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &now,
			Containers:                    []corev1.Container{{Name: "app", Image: image.Demo, ImagePullPolicy: corev1.PullIfNotPresent}},
		},
	}
}
