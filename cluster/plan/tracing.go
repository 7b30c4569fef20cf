package plan

import "workbench/runtime/node"

// tracingConfig is kube-apiserver's TracingConfiguration.
const tracingConfig = confDir + "/tracing.yaml"

// otlpSocket is where a component sends its spans: to its own process, see
// cluster/observe/span.
func otlpSocket(component string) string { return "unix://" + node.SpanSocket(component) }

// tracingFiles make kube-apiserver record the requests that ask for it, and no
// other: at a rate of 0 it does as the request's traceparent says, where one of
// system:masters sent it.
func tracingFiles(files map[string]File) {
	files[tracingConfig] = File{Mode: 0o644, Content: `apiVersion: apiserver.config.k8s.io/v1
kind: TracingConfiguration
endpoint: ` + otlpSocket("kube-apiserver") + `
samplingRatePerMillion: 0
`}
}

// exporting lets a component send its spans soon after they end: upstream's
// exporters keep them for 5 s.
func exporting(c node.Component) node.Component {
	c.Env = append(c.Env, "OTEL_BSP_SCHEDULE_DELAY=500")
	return c
}
