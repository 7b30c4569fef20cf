package demo

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"workbench/cluster/event"
	"workbench/runtime/image"
)

// Where the application is and what it is called.
const (
	appNamespace = metav1.NamespaceDefault
	appName      = "demo"
	appLabel     = "app"
	appPort      = 8080
	// beatName is the ConfigMap that API users write.
	beatName = "demo-beat"
)

func isApp(p event.KubePod) bool {
	return p.Namespace == appNamespace && p.Labels[appLabel] == appName
}

// deploy makes the application and its Service, and returns the Service's
// address. What exists already is left as it is.
func deploy(ctx context.Context, cfg *rest.Config, replicas int) (string, error) {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return "", fmt.Errorf("deploy the application: %w", err)
	}
	_, err = client.AppsV1().Deployments(appNamespace).Create(ctx, deployment(int32(replicas)), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("deploy the application: %w", err)
	}
	beat := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: beatName}}
	if _, err := client.CoreV1().ConfigMaps(appNamespace).Create(ctx, beat, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("make what API users write: %w", err)
	}
	services := client.CoreV1().Services(appNamespace)
	made, err := services.Create(ctx, service(), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		made, err = services.Get(ctx, appName, metav1.GetOptions{})
	}
	if err != nil {
		return "", fmt.Errorf("make the application's Service: %w", err)
	}
	return made.Spec.ClusterIP, nil
}

func deployment(replicas int32) *appsv1.Deployment {
	labels := map[string]string{appLabel: appName}
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: appName, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					Containers: []corev1.Container{{
						Name: appName, Image: image.Demo, ImagePullPolicy: corev1.PullIfNotPresent,
						Env:   []corev1.EnvVar{field("POD_NAME", "metadata.name"), field("NODE_NAME", "spec.nodeName")},
						Ports: []corev1.ContainerPort{{ContainerPort: appPort}},
						ReadinessProbe: &corev1.Probe{
							PeriodSeconds: 1,
							ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromInt32(appPort)}},
						},
					}},
					// Preferred, not required: a dead node still counts as a place
					// with too few pods.
					TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
						MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
						LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
					}},
				},
			},
		},
	}
}

func service() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: appName, Annotations: map[string]string{event.PulseAnnotation: "/"}},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{appLabel: appName},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(appPort)}},
		},
	}
}
