package pull

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/net/http/httpproxy"

	"workbench/cluster/event"
	"workbench/runtime/image/store"
)

// TokenHeader names the header by which a node's containerd is known: pods do not
// have its value.
const TokenHeader = "X-Workbench-Node"

// Registry is where a registry is asked, if not at https://HOST.
type Registry struct {
	URL string // scheme and host
	// Insecure says that its certificate is not checked.
	Insecure bool
	// CA may sign its certificate, besides those that the machine trusts.
	CA []*x509.Certificate
}

// Config of a Server.
type Config struct {
	// Cache is the directory of blobs that were downloaded. Labs share it.
	Cache string
	// CacheBytes bounds it; those that were asked for longest ago go first.
	CacheBytes int64
	// Blobs are the directories of blobs that the lab has already, by algorithm/digest.
	Blobs func() []string
	// Local finds the image of a whole name that the lab has already.
	Local func(name string) (ocispec.Descriptor, bool)
	// Unpack unpacks a layer and links it into a node.
	Unpack func(ctx context.Context, node string, want store.Pulled, blobs store.Blobs) error
	// Gone says whether a fault takes the image of a whole name from a node.
	Gone func(node, name string) bool
	// Registries by the host in image names.
	Registries map[string]Registry
	// InLab says whether an address is one within the lab, and DialLab connects to it.
	InLab   func(netip.Addr) bool
	DialLab func(ctx context.Context, network, address string) (net.Conn, error)
	// Patience is how long a registry may be silent; a node waits twice as long for a
	// manifest or all of a blob. 10 s where it is 0.
	Patience time.Duration
	// Every is how often it is told how far a slow request is; 1 s where it is 0.
	Every time.Duration
	// Token is the value of TokenHeader.
	Token string
	// Node names the node with an address.
	Node func(netip.Addr) string
	// Emit tells what was asked for and what came of it.
	Emit func(event.Body)
	Log  *slog.Logger
}

func (c *Config) validate() error {
	if c.Cache == "" || c.Token == "" || c.Blobs == nil || c.Local == nil || c.Unpack == nil || c.Gone == nil || c.InLab == nil || c.DialLab == nil || c.Node == nil || c.Emit == nil || c.Log == nil {
		return errors.New("serve images to nodes: the configuration is incomplete")
	}
	if c.Patience == 0 {
		// Containerd waits 30 s for an answer, and the reason has to reach it before.
		c.Patience = 10 * time.Second
	}
	if c.Every == 0 {
		c.Every = time.Second
	}
	return nil
}

// Server answers the nodes of one lab.
type Server struct {
	cfg   Config
	cache *cache
	http  http.Server
	// The proxy of a URL, by the environment as it was when the server was made.
	proxy     func(*url.URL) (*url.URL, error)
	granted   grants
	called    names
	questions questions
	// Ends when the server closes: downloads outlive the request that began them.
	background context.Context
	stop       context.CancelFunc
	work       sync.WaitGroup

	mu        sync.Mutex
	downloads map[string]*download    // by repository, digest and who asks
	clients   map[string]*http.Client // by the host in image names
}

// New makes a server; Serve runs it.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c, err := openCache(cfg.Cache, cfg.CacheBytes)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, cache: c, proxy: httpproxy.FromEnvironment().ProxyFunc(), downloads: map[string]*download{}, clients: map[string]*http.Client{}}
	s.background, s.stop = context.WithCancel(context.Background())
	s.http = http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	return s, nil
}

// Serve answers nodes until Close.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve images to nodes: %w", err)
	}
	return nil
}

// Close ends all connections and downloads, and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	err := s.http.Close()
	s.work.Wait()
	s.hangUp()
	return err
}

// path is that of the registry API, as its specification has it.
var path = regexp.MustCompile(`^/v2/([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)/(manifests|blobs)/([A-Za-z0-9_:][A-Za-z0-9._:+-]*)$`)

// request is what a node asks for.
type request struct {
	node       string
	registry   string // host, as in the image's name
	repository string
	kind       string // manifests or blobs
	reference  string // a tag or a digest
	who        string // stands for the credentials that came with it; "" for none
}

// name is the whole name of the image.
func (r request) name() string {
	if strings.Contains(r.reference, ":") {
		return r.registry + "/" + r.repository + "@" + r.reference
	}
	return r.registry + "/" + r.repository + ":" + r.reference
}

// part is the word for what is asked for: manifest or blob.
func (r request) part() string { return strings.TrimSuffix(r.kind, "s") }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(TokenHeader)), []byte(s.cfg.Token)) != 1 {
		refuse(w, r, &failure{http.StatusForbidden, errors.New("this serves the containerd of nodes alone; pods have no way out of the lab")})
		return
	}
	node := ""
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		node = s.cfg.Node(addr.Addr().Unmap())
	}
	if r.Method == http.MethodPost && r.URL.Path == layerPath {
		s.serveLayer(w, r, node)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, r, &failure{http.StatusMethodNotAllowed, errors.New("images can be pulled here, not pushed")})
		return
	}
	if r.URL.Path == "/v2/" {
		w.WriteHeader(http.StatusOK)
		return
	}
	parts, host := path.FindStringSubmatch(r.URL.Path), r.URL.Query().Get("ns")
	if parts == nil || host == "" {
		refuse(w, r, &failure{http.StatusNotFound, fmt.Errorf("%s: not a manifest or a blob of a registry", r.URL.Path)})
		return
	}
	req := request{node: node, registry: host, repository: parts[1], kind: parts[2], reference: parts[3], who: who(r)}
	if req.who != "" {
		s.questions.answer(req)
	}
	if req.kind == "blobs" {
		s.serveBlob(w, r, req)
		return
	}
	s.serveManifest(w, r, req)
}

// failure is why a request cannot be answered, and the status that says so.
type failure struct {
	status int
	err    error
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// refuse says why. Containerd tells its client the status line, but not always the
// body, and the answer to HEAD has none: so the reason stands in both.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	type one struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, merr := json.Marshal(map[string][]one{"errors": {{code(status), err.Error()}}})
	if merr != nil {
		body = nil // cannot be: it is text
	}
	w.Header().Set("Content-Type", "application/json")
	hijacker, ok := w.(http.Hijacker)
	if !ok || status != http.StatusBadGateway {
		w.WriteHeader(status)
		_, _ = w.Write(body)
		return
	}
	conn, _, herr := hijacker.Hijack()
	if herr != nil {
		w.WriteHeader(status)
		return
	}
	defer conn.Close()
	length := len(body)
	if r.Method == http.MethodHead {
		body = nil
	}
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, phrase(err), length, body)
}

// maxPhrase bounds the reason in a status line, in bytes.
const maxPhrase = 2048

// phrase is an error as a status line can have it.
func phrase(err error) string {
	text := event.OneLine(err.Error())
	return text[:min(len(text), maxPhrase)]
}

// code is the error code of the registry API for a status.
func code(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHORIZED"
	case http.StatusForbidden:
		return "DENIED"
	case http.StatusNotFound:
		return "MANIFEST_UNKNOWN"
	}
	return "UNKNOWN"
}

// tell says what came of a request: of one that asked a registry, or failed.
func (s *Server) tell(r request, bytes int64, began time.Time, err error) {
	e := event.ImagePull{Node: r.node, Image: r.name(), Of: s.called.of(r), Part: r.part(), Bytes: bytes, Took: time.Since(began)}
	if err != nil {
		e.Error = err.Error()
	}
	s.cfg.Emit(e)
}
