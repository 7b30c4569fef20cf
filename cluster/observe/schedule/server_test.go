package schedule

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app/testing"
)

// serveEnv makes TestServe serve.
const serveEnv = "WORKBENCH_TEST_SERVE"

// access is how to reach the API server, as the child tells it.
type access struct {
	Host, Token, Name string
	CA                []byte
}

// TestServe is no test: as a child of one it is etcd and kube-apiserver, so
// that the time and memory of the process with the scheduler are its own.
func TestServe(t *testing.T) {
	if os.Getenv(serveEnv) == "" {
		return
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := url.URL{Scheme: "http", Host: free.Addr().String()}
	free.Close()
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel, cfg.UnsafeNoFsync = t.TempDir(), "fatal", true
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{address}, []url.URL{address}
	peer := url.URL{Scheme: "unix", Host: "peer.sock"}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	t.Chdir(t.TempDir())
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	<-etcd.Server.ReadyNotify()
	storage := storagebackend.NewDefaultConfig("registry", nil)
	storage.Transport.ServerList = []string{address.String()}
	server := apiserver.StartTestServerOrDie(t, nil, []string{"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition"}, storage)
	defer server.TearDownFn()
	c := server.ClientConfig
	told, err := json.Marshal(access{Host: c.Host, Token: c.BearerToken, Name: c.ServerName, CA: c.CAData})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(os.NewFile(3, "access"), "%s\n", told)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
}

// serve starts etcd and kube-apiserver in a child that ends with the test.
func serve(t testing.TB) *rest.Config {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServe$")
	cmd.Env = append(os.Environ(), serveEnv+"=1")
	cmd.ExtraFiles = []*os.File{write}
	log, err := os.Create(t.TempDir() + "/server.log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
		log.Close()
	})
	var a access
	if err := json.NewDecoder(read).Decode(&a); err != nil {
		out, _ := os.ReadFile(log.Name())
		t.Fatalf("the API server does not come up: %v\n%s", err, out)
	}
	return &rest.Config{Host: a.Host, BearerToken: a.Token, QPS: 5000, Burst: 5000,
		TLSClientConfig: rest.TLSClientConfig{CAData: a.CA, ServerName: a.Name}}
}

// clientFor is a client that must work.
func clientFor(t testing.TB, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Discovery().ServerVersion(); err != nil {
		t.Fatal(err)
	}
	return client
}

// background is a context of the test that ends before its server does.
func background(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx
}
