package watch

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"

	"workbench/cluster/event"
)

// Each case is an object as the API writes it and the event as users read it.
func TestProjections(t *testing.T) {
	const metadata = `"metadata":{"name":"x","namespace":"ns","uid":"u1","resourceVersion":"7","creationTimestamp":"2026-01-02T03:04:05Z"`
	const projected = `"namespace":"ns","name":"x","uid":"u1","rv":"7","created":"2026-01-02T03:04:05Z"`
	for name, c := range map[string]struct{ object, want string }{
		"node": {
			`{"kind":"Node","apiVersion":"v1",` + metadata + `,"labels":{"a":"b"},"deletionTimestamp":"2026-01-02T03:05:05Z"},
			"spec":{"podCIDR":"10.1.0.0/24","unschedulable":true,"taints":[{"key":"k","effect":"NoExecute","timeAdded":"2026-01-02T03:04:06Z"}]},
			"status":{"nodeInfo":{"kubeletVersion":"v1.37.2"},"allocatable":{"cpu":"1500m","memory":"1Gi","pods":"110"},
			"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown","lastTransitionTime":"2026-01-02T03:04:07Z"}]}}`,
			`{` + projected + `,"labels":{"a":"b"},"deleting":"2026-01-02T03:05:05Z","ready":"Unknown","reason":"NodeStatusUnknown","since":"2026-01-02T03:04:07Z",
			"unschedulable":true,"taints":[{"key":"k","effect":"NoExecute","added":"2026-01-02T03:04:06Z"}],"podCIDR":"10.1.0.0/24","version":"v1.37.2",
			"allocatableCPU":1500,"allocatableMemory":1073741824,"allocatablePods":110}`,
		},
		"pod": {
			`{"kind":"Pod","apiVersion":"v1",` + metadata + `,"ownerReferences":[{"kind":"Other","name":"o"},{"kind":"ReplicaSet","name":"rs","controller":true}]},
			"spec":{"nodeName":"w1","initContainers":[{"name":"setup","image":"s"},{"name":"side","image":"d","restartPolicy":"Always"}],"containers":[{"name":"web","image":"i"},{"name":"new","image":"n"}]},
			"status":{"phase":"Running","podIP":"10.1.0.2","conditions":[{"type":"Ready","status":"True"}],
			"initContainerStatuses":[{"name":"setup","state":{"terminated":{"exitCode":0}}},{"name":"side","started":true,"ready":true,"state":{"running":{}}}],
			"containerStatuses":[{"name":"web","ready":false,"restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}`,
			`{` + projected + `,"owner":"ReplicaSet/rs","phase":"Running","node":"w1","ip":"10.1.0.2","ready":true,
			"containers":[{"name":"side","image":"d","ready":true,"state":"running"},{"name":"web","image":"i","ready":false,"restarts":3,"state":"waiting","reason":"CrashLoopBackOff"},{"name":"new","image":"n","ready":false}],
			"status":"CrashLoopBackOff"}`,
		},
		"pod that fits nowhere": {
			`{"kind":"Pod","apiVersion":"v1",` + metadata + `},"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/3 nodes"}]}}`,
			`{` + projected + `,"phase":"Pending","ready":false,"reason":"Unschedulable","message":"0/3 nodes","status":"Pending"}`,
		},
		"lease": {
			`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1",` + metadata + `},"spec":{"holderIdentity":"w1","leaseDurationSeconds":40,"leaseTransitions":2,"renewTime":"2026-01-02T03:04:05.123456Z"}}`,
			`{` + projected + `,"holder":"w1","renewed":"2026-01-02T03:04:05.123456Z","seconds":40,"transitions":2}`,
		},
		"lease of nobody": {
			`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1",` + metadata + `}}`,
			`{` + projected + `,"holder":"","seconds":0}`,
		},
		"deployment": {
			`{"kind":"Deployment","apiVersion":"apps/v1",` + metadata + `},"spec":{"replicas":3,"template":{"spec":{"containers":[{"image":"a"},{"image":"b"}]}}},"status":{"updatedReplicas":2,"readyReplicas":1,"availableReplicas":1}}`,
			`{` + projected + `,"replicas":3,"updated":2,"ready":1,"available":1,"images":["a","b"]}`,
		},
		"deployment by default": {
			`{"kind":"Deployment","apiVersion":"apps/v1",` + metadata + `}}`,
			`{` + projected + `,"replicas":1,"updated":0,"ready":0,"available":0}`,
		},
		"service": {
			`{"kind":"Service","apiVersion":"v1",` + metadata + `},"spec":{"type":"NodePort","clusterIP":"10.96.0.7","selector":{"app":"x"},"ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]}}`,
			`{` + projected + `,"serviceType":"NodePort","clusterIP":"10.96.0.7","ports":["80:30080/TCP","53/UDP"],"selector":{"app":"x"}}`,
		},
		"endpoint slice": {
			`{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1",` + metadata + `,"labels":{"kubernetes.io/service-name":"web"}},"ports":[{"port":8080,"protocol":"TCP"},{}],
			"endpoints":[{"addresses":["10.1.0.2"],"nodeName":"w1","targetRef":{"kind":"Pod","name":"p"},"conditions":{"ready":false,"serving":true,"terminating":true}},{"addresses":["10.1.0.3"],"conditions":{}},{"addresses":["10.1.0.4"],"conditions":{"ready":false}}]}`,
			`{` + projected + `,"labels":{"kubernetes.io/service-name":"web"},"service":"web","endpoints":[
			{"address":"10.1.0.2","node":"w1","pod":"p","ready":false,"serving":true,"terminating":true},{"address":"10.1.0.3","ready":true,"serving":true},{"address":"10.1.0.4","ready":false,"serving":false}],"ports":["8080/TCP","*/TCP"]}`,
		},
		"network policy": {
			`{"kind":"NetworkPolicy","apiVersion":"networking.k8s.io/v1",` + metadata + `},"spec":{"podSelector":{},"policyTypes":["Ingress"]}}`,
			`{` + projected + `,"types":["Ingress"]}`,
		},
		"event that counts": {
			`{"kind":"Event","apiVersion":"v1",` + metadata + `},"type":"Warning","reason":"BackOff","message":"Back-off\n","count":4,"firstTimestamp":"2026-01-02T03:04:06Z","lastTimestamp":"2026-01-02T03:04:08Z","source":{"component":"kubelet"},"involvedObject":{"kind":"Pod","namespace":"ns","name":"p"}}`,
			`{` + projected + `,"eventType":"Warning","reason":"BackOff","message":"Back-off","regarding":"Pod/ns/p","source":"kubelet","count":4,"last":"2026-01-02T03:04:08Z"}`,
		},
		"event of a series": {
			`{"kind":"Event","apiVersion":"v1",` + metadata + `},"type":"Normal","reason":"Scheduled","message":"m","eventTime":"2026-01-02T03:04:06.500000Z","series":{"count":9,"lastObservedTime":"2026-01-02T03:04:09.500000Z"},"reportingComponent":"default-scheduler","involvedObject":{"kind":"Node","name":"w1"}}`,
			`{` + projected + `,"eventType":"Normal","reason":"Scheduled","message":"m","regarding":"Node/w1","source":"default-scheduler","count":9,"last":"2026-01-02T03:04:09.5Z"}`,
		},
		"event that happened once": {
			`{"kind":"Event","apiVersion":"v1",` + metadata + `},"type":"Normal","reason":"Scheduled","message":"m","eventTime":"2026-01-02T03:04:06.500000Z","involvedObject":{"kind":"Node","name":"w1"}}`,
			`{` + projected + `,"eventType":"Normal","reason":"Scheduled","message":"m","regarding":"Node/w1","last":"2026-01-02T03:04:06.5Z"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			object, gvk, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(c.object), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var body event.Body
			for _, k := range kinds() {
				if k.name == gvk.Kind {
					body = k.project(object)
				}
			}
			got, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.NewReplacer("\n", "", "\t", "").Replace(c.want); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// What happened first is told first, whatever the names of the Events are.
func TestEventsAreListedInTime(t *testing.T) {
	r := newRecorder(t)
	all := kinds()
	s := &source{kind: all[len(all)-1], emit: r.emit, seen: map[string]revision{}}
	var objects []any
	for _, text := range []string{
		`{"kind":"Event","apiVersion":"v1","metadata":{"name":"a"},"lastTimestamp":"2026-01-02T03:04:09Z"}`,
		`{"kind":"Event","apiVersion":"v1","metadata":{"name":"b"},"lastTimestamp":"2026-01-02T03:04:05Z"}`,
	} {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(text), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	if err := s.Replace(objects, "1"); err != nil {
		t.Fatal(err)
	}
	first, ok := r.since(0)[0].(event.KubeEvent)
	if !ok || first.Name != "b" {
		t.Errorf("first is %+v", r.since(0)[0])
	}
}
