package spec

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// scheduler is the component that takes a configuration file.
const scheduler = "kube-scheduler"

// SchedulerConfig is the KubeSchedulerConfiguration of a lab file with what the
// lab has to say in it: how the API is reached. It is "" where the file has
// none; the scheduler then has upstream's defaults.
func (l Lab) SchedulerConfig(kubeconfig string) (string, error) {
	text := l.Spec.Components[scheduler].Config
	if text == "" {
		return "", nil
	}
	config, err := parseSchedulerConfig(text)
	if err != nil {
		return "", err
	}
	connection, _ := config["clientConnection"].(map[string]any)
	if connection == nil {
		connection = map[string]any{}
	}
	connection["kubeconfig"] = kubeconfig
	config["clientConnection"] = connection
	out, err := yaml.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("write KubeSchedulerConfiguration: %w", err)
	}
	return string(out), nil
}

// schedulerKind is the type of the file.
const (
	schedulerKind    = "KubeSchedulerConfiguration"
	schedulerVersion = "kubescheduler.config.k8s.io/v1"
)

// parseSchedulerConfig reads the text. What it does not refuse may still be
// refused by kube-scheduler, which then says so in its log.
func parseSchedulerConfig(text string) (map[string]any, error) {
	var config map[string]any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return nil, fmt.Errorf("not valid YAML: %w", err)
	}
	if config["apiVersion"] != schedulerVersion || config["kind"] != schedulerKind {
		return nil, errors.New("not a " + schedulerKind)
	}
	if _, ok := config["leaderElection"]; ok {
		return nil, errors.New("the lab sets leaderElection itself")
	}
	if connection, ok := config["clientConnection"].(map[string]any); ok && connection["kubeconfig"] != nil {
		return nil, errors.New("the lab sets clientConnection.kubeconfig itself")
	}
	return config, nil
}

func (c *checker) checkConfig(p path, component, text string) {
	switch {
	case text == "":
	case component != scheduler:
		c.refuse(p, "use extraArgs", "%s takes no configuration file here", component)
	default:
		if _, err := parseSchedulerConfig(text); err != nil {
			c.refuse(p, "begin it with\n  apiVersion: "+schedulerVersion+"\n  kind: "+schedulerKind+"\nand leave out what the lab sets", "%s", clip(err.Error()))
		}
	}
}
