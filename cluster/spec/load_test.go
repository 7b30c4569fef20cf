package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

const full = `# a lab with everything
apiVersion: workbench/v1alpha1
kind: Lab
metadata: {name: demo}
spec:
  controlPlanes: {count: 1, cpus: 1, memory: 1Gi}
  workers: {count: 4, cpus: 0.5, memory: 512Mi}
  nodes:
    c1: {memory: 2G}
    w1: &zoned
      cpus: 1500m
      labels: {zone: a, topology.kubernetes.io/zone: "1", size: 7}
      taints:
        - {key: example.com/gpu, value: "yes", effect: NoSchedule}
        - {key: example.com/gpu, effect: NoExecute}
    w2: *zoned
    w3:
  network: {fabricCIDR: 10.20.0.0/16, podCIDR: 10.244.0.0/22, serviceCIDR: 10.96.0.0/16, loadBalancerCIDR: 10.64.7.0/26, proxyMode: nftables}
  failureDetection: kubernetes
  featureGates: {SomeGate: true, Other: false}
  cloud: false
  addons: {dns: false, metrics: false, storage: false}
  dns: {upstream: "192.0.2.1:5300"}
  components:
    kube-apiserver: {extraArgs: {v: 4, max-requests-inflight: "10"}}
    etcd:
`

func TestLoadReadsEveryField(t *testing.T) {
	got, err := Load("lab.yaml", strings.NewReader(full))
	if err != nil {
		t.Fatal(err)
	}
	zoned := Override{
		CPUs:   1.5,
		Labels: Labels{"zone": "a", "topology.kubernetes.io/zone": "1", "size": "7"},
		Taints: Taints{{"example.com/gpu", "yes", NoSchedule}, {"example.com/gpu", "", NoExecute}},
	}
	want := Lab{
		APIVersion: APIVersion,
		Kind:       Kind,
		Metadata:   Metadata{Name: "demo"},
		Spec: Spec{
			ControlPlanes:    Pool{Count: 1, CPUs: 1, Memory: 1 << 30},
			Workers:          Pool{Count: 4, CPUs: 0.5, Memory: 512 << 20},
			Nodes:            map[string]Override{"c1": {Memory: 2e9}, "w1": zoned, "w2": zoned, "w3": {}},
			Network:          Network{"10.20.0.0/16", "10.244.0.0/22", "10.96.0.0/16", "10.64.7.0/26", NFTables},
			FailureDetection: Kubernetes,
			DNS:              DNS{Upstream: "192.0.2.1:5300"},
			FeatureGates:     map[string]bool{"SomeGate": true, "Other": false},
			Components: map[string]Component{
				"kube-apiserver": {ExtraArgs: map[string]string{"v": "4", "max-requests-inflight": "10"}},
				"etcd":           {},
			},
		},
	}
	got.source = source{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoadOfJSONGivesTheSameLab(t *testing.T) {
	lab, err := Load("lab.yaml", strings.NewReader(full))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(lab)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load("lab.json", strings.NewReader(string(data)))
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	var decoded Lab
	if err := json.Unmarshal(data, &decoded); err != nil {
		t.Fatal(err)
	}
	lab.source, again.source = source{}, source{}
	if !reflect.DeepEqual(again, lab) || !reflect.DeepEqual(decoded, lab) {
		t.Errorf("loaded    %+v\nunmarshal %+v\nwant      %+v", again, decoded, lab)
	}
}

func TestLoadOfMinimalFileIsDefault(t *testing.T) {
	for _, text := range []string{
		minimal(Kind),
		"---\n" + minimal(Kind) + "---\n",
		minimal(Kind) + "metadata:\nspec:\n  workers:\n  network: {}\n",
		strings.ReplaceAll(minimal(Kind), "\n", "\r\n"),
	} {
		lab, err := Load("lab.yaml", strings.NewReader(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		lab.source = source{}
		if !reflect.DeepEqual(lab, Default()) {
			t.Errorf("%q: got %+v", text, lab)
		}
	}
}

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(Machine{MemoryBytes: 4 << 30, CPUs: 2}); err != nil {
		t.Error(err)
	}
}

func TestNodeList(t *testing.T) {
	lab := Default()
	lab.Spec.ControlPlanes.Memory = 1 << 30
	lab.Spec.Workers = Pool{Count: 2, CPUs: 2}
	lab.Spec.Nodes = map[string]Override{"w2": {CPUs: 1, Labels: Labels{"zone": "b"}}, "c1": {Memory: 2 << 30}}
	var got []string
	for _, n := range lab.NodeList() {
		got = append(got, fmt.Sprintln(n.Name, n.ControlPlane, n.Address, n.CPUs, n.Memory, n.Labels))
	}
	want := `c1 true 10.10.0.11 0 2Gi map[]
c2 true 10.10.0.12 0 1Gi map[]
c3 true 10.10.0.13 0 1Gi map[]
w1 false 10.10.0.101 2 0 map[]
w2 false 10.10.0.102 1 0 map[zone:b]
`
	if strings.Join(got, "") != want {
		t.Errorf("got\n%swant\n%s", strings.Join(got, ""), want)
	}
	if gw := lab.Spec.Network.Gateway(); gw != netip.MustParseAddr("10.10.0.1") {
		t.Errorf("gateway %v", gw)
	}
}

func TestLoadKeepsReadErrors(t *testing.T) {
	broken := errors.New("device gone")
	_, err := Load("lab.yaml", io.MultiReader(strings.NewReader(minimal(Kind)), errReader{broken}))
	if !errors.Is(err, broken) || err.Error() != "read lab file lab.yaml: device gone" {
		t.Errorf("got %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestLoadReadsNoMoreThanItTakes(t *testing.T) {
	r := &countingReader{}
	if _, err := Load("lab.yaml", r); err == nil {
		t.Error("an endless file was accepted")
	}
	if r.n > MaxFile+1<<16 {
		t.Errorf("read %d bytes", r.n)
	}
}

type countingReader struct{ n int }

func (r *countingReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	r.n += len(p)
	return len(p), nil
}

func FuzzLoad(f *testing.F) {
	f.Add(full)
	f.Add(minimal(Kind))
	for _, c := range refusals {
		if len(c.file) < 1<<10 {
			f.Add(c.file)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		lab, err := Load("lab.yaml", strings.NewReader(text))
		if err == nil {
			if err := lab.Validate(Machine{}); err != nil {
				t.Fatalf("Load took what Validate refuses: %v", err)
			}
			for _, n := range lab.NodeList() {
				if !n.Address.IsValid() {
					t.Fatalf("node %s has no address", n.Name)
				}
			}
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("error is no Problems: %v", err)
		}
		for _, p := range problems {
			if p.What == "" || p.Remedy == "" || p.File == "" {
				t.Fatalf("incomplete problem %+v", p)
			}
		}
	})
}
