package pull

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"workbench/cluster/event"
)

// TestSlowBlobIsTold sends a part of a layer, and the rest when that was told.
func TestSlowBlobIsTold(t *testing.T) {
	m := image(t)
	layer := m.Blobs[m.Layers[0]]
	half := len(layer) / 2
	goOn := make(chan struct{})
	where := serve(t, m, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/blobs/"+m.Layers[0].String()) {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(layer)))
			_, _ = w.Write(layer[:half])
			_ = http.NewResponseController(w).Flush()
			<-goOn
			_, _ = w.Write(layer[half:])
		})
	})
	n := newNode(t, map[string]Registry{"registry.lab": {URL: where}})
	n.cfg.Every, n.cfg.Patience, n.far = time.Millisecond, time.Minute, make(chan event.ImageProgress, 100)
	pulled := make(chan error, 1)
	go func() {
		_, err := n.pull(t, "registry.lab/team/app:1")
		pulled <- err
	}()
	for {
		p := <-n.far
		if p.Bytes < int64(half) {
			continue
		}
		want := event.ImageProgress{Nodes: []string{"w1"}, Image: "registry.lab/team/app@" + m.Layers[0].String(), Of: "registry.lab/team/app:1", Part: "blob", Bytes: int64(half), Size: int64(len(layer))}
		if p.Image != want.Image || p.Of != want.Of || p.Part != want.Part || p.Bytes != want.Bytes || p.Size != want.Size || len(p.Nodes) != 1 || p.Nodes[0] != "w1" {
			t.Errorf("told %+v\nwant %+v", p, want)
		}
		break
	}
	close(goOn)
	if err := <-pulled; err != nil {
		t.Error(err)
	}
	for _, e := range n.events() {
		if e.Of != "registry.lab/team/app:1" || e.Error != "" {
			t.Errorf("told %+v", e)
		}
	}
}
