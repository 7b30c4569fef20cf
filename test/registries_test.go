package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/cluster/state"
	"workbench/runtime/image/imagetest/proxy"
	"workbench/runtime/image/imagetest/registry"
	"workbench/runtime/namespace"
	"workbench/test/harness"
)

// Where the test's private registry listens on w1, and who may pull from it.
const (
	privatePort = 5002
	student     = "student"
	password    = "c0rrect-horse-battery"
)

// proxiedHost is the host of a registry that only the proxy finds.
const proxiedHost = "proxied.invalid"

// registries are what the test has to pull from: a certificate that an authority of
// its own made, and, on the host's loopback, a proxy with a registry behind it.
type registries struct {
	authority   string // as PEM text
	certificate tls.Certificate
	proxy       proxy.Forwarder
	behind      http.Handler
	// env is the environment of the lab's supervisor: it is to use the proxy, but not
	// for what the other tests expect not to be found.
	env []string
}

func newRegistries(t *testing.T) *registries {
	t.Helper()
	r := &registries{behind: registry.New(t)}
	r.certify(t)
	behind := httptest.NewUnstartedServer(r.behind)
	behind.TLS = &tls.Config{Certificates: []tls.Certificate{r.certificate}}
	behind.StartTLS()
	t.Cleanup(behind.Close)
	r.proxy.TLS = behind.Listener.Addr().String()
	server := httptest.NewServer(&r.proxy)
	t.Cleanup(server.Close)
	r.env = []string{"HTTPS_PROXY=" + server.URL, "NO_PROXY=registry.invalid"}
	return r
}

// certify makes an authority and a certificate for w1's address and the proxied
// host.
func (r *registries) certify(t *testing.T) {
	t.Helper()
	keys := [2]*ecdsa.PrivateKey{}
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	until := time.Now().Add(24 * time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: until}
	own := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: until, DNSNames: []string{proxiedHost}, IPAddresses: []net.IP{net.IPv4(10, 20, 0, 101)}}
	raw, err := x509.CreateCertificate(rand.Reader, ca, ca, keys[0].Public(), keys[0])
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.CreateCertificate(rand.Reader, own, ca, keys[1].Public(), keys[0])
	if err != nil {
		t.Fatal(err)
	}
	r.authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
	r.certificate = tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: keys[1]}
}

// inFile is the authority as a value in a lab file.
func (r *registries) inFile() string {
	text, err := json.Marshal(r.authority)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// serveOn serves HTTP on a node until the test ends, in its network namespace; with
// TLS where there is a certificate.
func serveOn(t *testing.T, lab *harness.Lab, node string, port int, certificate *tls.Certificate, handler http.Handler) {
	t.Helper()
	host := lab.World().Nodes[node]
	network, err := namespace.NetOf(host.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	var listener net.Listener
	if err := network.Do(func() error {
		listener, err = net.Listen("tcp", fmt.Sprintf("%s:%d", host.IP, port))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*certificate}}) //nolint:gosec // of a test
	}
	server := &http.Server{Handler: handler} //nolint:gosec // of a test
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}

// testPrivateImages pulls from a registry with a private authority that wants
// credentials, by Basic and by token, and through a proxy.
func testPrivateImages(t *testing.T, lab *harness.Lab, outside *registries) {
	t.Helper()
	app := runnable(t, "private/app")
	handler := registry.New(t)
	for _, repository := range []string{"basic/app", "token/app"} {
		registry.Push(t, handler, app, repository, "1")
	}
	registry.Push(t, outside.behind, runnable(t, "team/proxied"), "team/proxied", "1")
	basic, token := registry.Basic(t, handler, student, password), registry.Token(t, handler, student, password)
	serveOn(t, lab, "w1", privatePort, &outside.certificate, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" || strings.HasPrefix(r.URL.Path, "/v2/token/") {
			token.ServeHTTP(w, r)
			return
		}
		basic.ServeHTTP(w, r)
	}))
	keys := base64.StdEncoding.EncodeToString([]byte(student + ":" + password))
	config := fmt.Sprintf(`{"auths":{"private.lab":{"username":%q,"password":%q,"auth":%q}}}`, student, password, keys)
	lab.Apply("apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ntype: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: '" + config + "'}\n")

	lab.Apply(uses("without", "private.lab/basic/app:1", "w1", "IfNotPresent") + uses("untrusted", "untrusted.lab/basic/app:1", "w1", "IfNotPresent", "keys"))
	refusedPull(t, lab, "without", "authoriz")
	refusedPull(t, lab, "untrusted", "signed by unknown authority", `spec.images.registries["untrusted.lab"].ca`)
	lab.Apply(uses("basic", "private.lab/basic/app:1", "w1", "IfNotPresent", "keys") + uses("token", "private.lab/token/app:1", "w2", "IfNotPresent", "keys") +
		uses("behind-proxy", proxiedHost+"/team/proxied:1", "w2", "IfNotPresent"))
	lab.Await("the private and the proxied images to run", func(w *state.World) bool {
		return allReady(w, "basic", 1) && allReady(w, "token", 1) && allReady(w, "behind-proxy", 1)
	})
	// Nodes ask without credentials first; that is no failure.
	for name, f := range lab.World().Images.Failures {
		if strings.HasPrefix(name, "private.lab/token/") || strings.HasPrefix(name, proxiedHost) {
			t.Errorf("%s runs, and is told to have failed: %s", name, f.Error)
		}
	}
	if asked := outside.proxy.Asked(); !slices.Contains(asked, "CONNECT "+proxiedHost+":443") || len(asked) != 1 {
		t.Errorf("the proxy was asked for %q", asked)
	}
	// The node has it, the cache has it, and neither is for who has no credentials.
	lab.Apply(uses("after", "private.lab/basic/app:1", "w1", "IfNotPresent") + uses("cached", "private.lab/basic/app@"+app.Manifest.Digest.String(), "w2", "IfNotPresent"))
	refusedPull(t, lab, "after", "authoriz")
	refusedPull(t, lab, "cached", "authoriz")
	nowhere(t, lab, password, keys)
	lab.Kubectl("delete", "pod", "without", "untrusted", "basic", "token", "behind-proxy", "after", "cached", "--now")
}

// refusedPull waits until the pull of a pod fails, and wants the reasons in what the
// kubelet says.
func refusedPull(t *testing.T, lab *harness.Lab, pod string, reasons ...string) {
	t.Helper()
	lab.Await("the pull of "+pod+" to fail", func(w *state.World) bool {
		p := w.Kube.Pods["default/"+pod]
		return p != nil && (p.Status == "ErrImagePull" || p.Status == "ImagePullBackOff" || p.Status == "ErrImageNeverPull")
	})
	said := lab.Kubectl("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].state.waiting.message}")
	for _, want := range reasons {
		if !strings.Contains(said, want) {
			t.Errorf("%s: the kubelet says %s\nwant %q in it", pod, said, want)
		}
	}
}

// nowhere wants secrets in no event and no log of the lab.
func nowhere(t *testing.T, lab *harness.Lab, secrets ...string) {
	t.Helper()
	found := func(where, text string) {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("the credentials are in %s", where)
			}
		}
	}
	for _, e := range lab.Events(0) {
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		found(fmt.Sprintf("event %d, %s", e.Seq, e.Body.Type()), string(raw))
	}
	logs := 0
	err := filepath.WalkDir(lab.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !strings.HasSuffix(path, ".log") {
			return nil //nolint:nilerr // a lab that runs changes
		}
		logs++
		if raw, err := os.ReadFile(path); err == nil {
			found(path, string(raw))
		}
		return nil
	})
	if err != nil || logs < 5 {
		t.Errorf("%d logs, %v", logs, err)
	}
}
