package pull

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/opencontainers/go-digest"

	"workbench/cluster/event"
)

// serveBlob answers with a blob that is there, or is downloaded for all who ask. What
// goes wrong while the answer waits for all of it can be said; if that takes long, it
// is handed on as it comes, and an end that is too early is all that a node sees.
func (s *Server) serveBlob(w http.ResponseWriter, r *http.Request, req request) {
	d, err := digest.Parse(req.reference)
	if err != nil {
		refuse(w, r, &failure{http.StatusNotFound, fmt.Errorf("%s: %w", req.reference, err)})
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if s.cache.has(d) && !s.own(d) && !s.granted.has(req, d) {
		began := time.Now()
		if err := s.authorise(r, req, d); err != nil {
			s.fail(w, r, req, began, err)
			return
		}
	}
	if s.serveLocal(w, r, d) {
		return
	}
	job := s.fetch(r, req, d)
	defer job.release()
	switch job.await(r.Context(), 2*s.cfg.Patience) {
	case finished:
		if job.err != nil {
			challenge(w, req, job.err)
			refuse(w, r, job.err)
			return
		}
		if !s.serveLocal(w, r, d) {
			refuse(w, r, errors.New("it is out of the cache again: the cache is too small"))
		}
	case underWay:
		job.stream(w, r)
	case left:
	}
}

// serveLocal answers with a blob that is there.
func (s *Server) serveLocal(w http.ResponseWriter, r *http.Request, d digest.Digest) bool {
	f, err := s.open(d)
	if err != nil {
		return false
	}
	defer f.Close()
	w.Header().Set("Docker-Content-Digest", d.String())
	http.ServeContent(w, r, "", time.Time{}, f)
	return true
}

// download is a blob on its way from a registry. Its file grows until it is done.
type download struct {
	mu     sync.Mutex
	change *sync.Cond
	file   *os.File // nil until the registry answered
	size   int64    // that it will have; 0 until the registry said so
	has    int64
	done   bool
	err    error // why it failed; read when done
	users  int   // of the file: the last one closes it
	nodes  []string
}

// use counts one more user.
func (j *download) use() *download {
	j.set(func() { j.users++ })
	return j
}

// useBy counts one more, for a node that waits.
func (j *download) useBy(node string) *download {
	j.set(func() {
		if j.users++; !slices.Contains(j.nodes, node) {
			j.nodes = append(j.nodes, node)
		}
	})
	return j
}

// release counts one user less.
func (j *download) release() {
	j.set(func() {
		if j.users--; j.users == 0 && j.file != nil {
			_ = j.file.Close() // it was synced, or is thrown away
		}
	})
}

// fetch begins the download of a blob, unless it is on its way to somebody with the
// same credentials.
func (s *Server) fetch(r *http.Request, req request, d digest.Digest) *download {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := grantKey(req, d)
	if job := s.downloads[key]; job != nil {
		return job.useBy(req.node)
	}
	job := &download{}
	job.change = sync.NewCond(&job.mu)
	s.downloads[key] = job.useBy(req.node)
	job.use() // by the download itself
	s.work.Go(func() {
		defer job.release()
		began := time.Now()
		stop := s.tellProgress(func() event.ImageProgress { return job.progress(req, s.called.of(req)) })
		err := s.download(s.upstream(r, req.registry), req, d, job)
		stop()
		if err != nil {
			err = s.explain(r, req, err)
		} else {
			s.grant(req, d)
		}
		s.tell(req, job.has, began, err)
		s.mu.Lock()
		delete(s.downloads, key)
		s.mu.Unlock()
		job.set(func() { job.done, job.err = true, err })
	})
	return job
}

// progress is how far it is.
func (j *download) progress(req request, of string) event.ImageProgress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return event.ImageProgress{Nodes: slices.Clone(j.nodes), Image: req.name(), Of: of, Part: req.part(), Bytes: j.has, Size: j.size}
}

// download gets a blob from its registry into the cache.
func (s *Server) download(resolver remotes.Resolver, req request, d digest.Digest, job *download) error {
	ctx, cancel := context.WithCancelCause(s.background)
	defer cancel(nil)
	// The registry may take long for all of it, but not for the next of it.
	slow := time.AfterFunc(s.cfg.Patience, func() { cancel(errSlow) })
	defer slow.Stop()
	fetcher, err := resolver.Fetcher(ctx, req.name())
	if err != nil {
		return err
	}
	byDigest, ok := fetcher.(remotes.FetcherByDigest)
	if !ok {
		return errors.New("blobs cannot be asked for by digest")
	}
	body, about, err := byDigest.FetchByDigest(ctx, d)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	defer body.Close()
	slow.Reset(s.cfg.Patience)
	f, err := s.cache.partial()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	job.set(func() { job.file, job.size = f, about.Size })
	sum := d.Algorithm().Digester()
	if _, err := io.Copy(&progress{job, f, func() { slow.Reset(s.cfg.Patience) }}, io.TeeReader(body, sum.Hash())); err != nil {
		return fmt.Errorf("read blob %s, %d bytes of which came: %w", d, job.has, cmp.Or(context.Cause(ctx), err))
	}
	if err := mismatch("blob", d, sum.Digest()); err != nil {
		return err
	}
	return s.cache.keep(f, d)
}

// progress tells those who wait of what was written.
type progress struct {
	job  *download
	file *os.File
	came func()
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.came()
	p.job.set(func() { p.job.has += int64(n) })
	return n, err
}

// set changes the download and wakes who waits.
func (j *download) set(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
	j.change.Broadcast()
}

// outcome is what waiting for a download came to.
type outcome int

const (
	finished outcome = iota
	underWay         // it is so big, or so slow, that it is handed on as it comes
	left             // who asked has gone
)

// await waits for the end of a download, and where that takes long for its size.
func (j *download) await(ctx context.Context, long time.Duration) outcome {
	defer context.AfterFunc(ctx, func() { j.set(func() {}) })()
	late := false
	defer time.AfterFunc(long, func() { j.set(func() { late = true }) }).Stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		switch {
		case j.done:
			return finished
		case ctx.Err() != nil:
			return left
		case late && j.size > 0:
			return underWay
		}
		j.change.Wait()
	}
}

// stream hands on a blob as it comes. Its last byte waits until the digest is known
// to be right: what is wrong is never whole.
func (j *download) stream(w http.ResponseWriter, r *http.Request) {
	defer context.AfterFunc(r.Context(), func() { j.set(func() {}) })()
	j.mu.Lock()
	size, file := j.size, j.file
	j.mu.Unlock()
	at := offset(r, size)
	w.Header().Set("Content-Length", strconv.FormatInt(size-at, 10))
	if at > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, size-1, size))
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method == http.MethodHead {
		return
	}
	for at < size {
		until, ok := j.more(r.Context(), at)
		if !ok {
			panic(http.ErrAbortHandler) // the connection ends before the blob does
		}
		n, err := io.Copy(w, io.NewSectionReader(file, at, until-at))
		if at += n; err != nil {
			return // who asked has gone
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
}

// more waits until there is more than at, and returns up to where.
func (j *download) more(ctx context.Context, at int64) (int64, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		switch limit := min(j.has, j.size-1); {
		case j.done:
			return j.size, j.err == nil && j.has == j.size
		case ctx.Err() != nil:
			return 0, false
		case limit > at:
			return limit, true
		}
		j.change.Wait()
	}
}

// offset is where a request wants to begin.
func offset(r *http.Request, size int64) int64 {
	from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	from, end, _ := strings.Cut(from, "-")
	at, err := strconv.ParseInt(from, 10, 64)
	if !ok || end != "" || err != nil || at < 0 || at >= size {
		return 0
	}
	return at
}
