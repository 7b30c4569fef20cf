package applet

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

func webCommands() []command {
	return []command{
		{"wget", "[-qS] [-O FILE|-] [-T SECONDS] [--header LINE] [--post-data TEXT] URL...: fetch over HTTP", wget},
		{"curl", "[-sSfiIvLkN] [-o FILE] [-O] [-X METHOD] [-H LINE] [-d TEXT] [-m SECONDS] [-w FORMAT] URL...: speak HTTP", curl},
	}
}

// webRequest is one HTTP exchange.
type webRequest struct {
	method, url, body string
	header            []string // lines such as "Accept: text/plain"
	timeout           time.Duration
	insecure, follow  bool
	user              string // name:password
}

func (w webRequest) send() (*http.Response, error) {
	if !strings.Contains(w.url, "://") {
		w.url = "http://" + w.url
	}
	request, err := http.NewRequest(w.method, w.url, strings.NewReader(w.body))
	if err != nil {
		return nil, err
	}
	if w.body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Header.Set("User-Agent", "toolbox")
	for _, line := range w.header {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "host") {
			request.Host = strings.TrimSpace(value)
			continue
		}
		request.Header.Set(name, strings.TrimSpace(value))
	}
	if name, password, ok := strings.Cut(w.user, ":"); ok {
		request.SetBasicAuth(name, password)
	}
	client := http.Client{
		Timeout: w.timeout,
		// One request a connection: every call may reach another backend of a Service.
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, DisableCompression: true,
			DialContext:     (&net.Dialer{}).DialContext,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: w.insecure},
		},
	}
	if !w.follow {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client.Do(request)
}

// writeHeader prints the status line and headers in a fixed order.
func writeHeader(w io.Writer, prefix string, response *http.Response) {
	fmt.Fprintf(w, "%s%s %s\r\n", prefix, response.Proto, response.Status)
	names := make([]string, 0, len(response.Header))
	for name := range response.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range response.Header[name] {
			fmt.Fprintf(w, "%s%s: %s\r\n", prefix, name, value)
		}
	}
	fmt.Fprint(w, "\r\n")
}

// fileName is the name under which a URL is saved.
func fileName(url string) string {
	url, _, _ = strings.Cut(url, "?")
	_, rest, found := strings.Cut(url, "://")
	if !found {
		rest = url
	}
	if base := path.Base(rest); strings.Contains(rest, "/") && base != "/" && !strings.HasSuffix(rest, "/") {
		return base
	}
	return "index.html"
}

// save writes a body to a file, or to standard output for "-".
func (c Call) save(name string, body io.Reader) error {
	if name == "-" {
		_, err := io.Copy(c.Out, body)
		return err
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, body)
	return errors.Join(err, file.Close())
}

func wget(c Call) error {
	request := webRequest{method: http.MethodGet, follow: true}
	flags := c.flags()
	quiet := flags.BoolP("quiet", "q", false, "")
	output := flags.StringP("output-document", "O", "", "")
	seconds := flags.StringP("timeout", "T", "900", "")
	show := flags.BoolP("server-response", "S", false, "")
	spider := flags.Bool("spider", false, "")
	post := flags.String("post-data", "", "")
	flags.StringArrayVar(&request.header, "header", nil, "")
	flags.BoolVar(&request.insecure, "no-check-certificate", false, "")
	flags.StringP("tries", "t", "", "")
	flags.StringP("proxy", "Y", "", "")
	flags.BoolP("continue", "c", false, "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("want a URL")
	}
	var err error
	if request.timeout, err = duration(*seconds); err != nil {
		return err
	}
	if flags.Changed("post-data") {
		request.method, request.body = http.MethodPost, *post
	}
	for _, request.url = range flags.Args() {
		response, err := request.send()
		if err != nil {
			return err
		}
		if *show {
			writeHeader(c.Err, "  ", response)
		}
		if response.StatusCode >= 400 {
			response.Body.Close()
			return fmt.Errorf("server returned error: %s %s", response.Proto, response.Status)
		}
		name := *output
		if name == "" {
			name = fileName(request.url)
		}
		if !*spider {
			err = c.save(name, response.Body)
		}
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		if !*quiet && name != "-" && !*spider {
			fmt.Fprintf(c.Err, "'%s' saved\n", name)
		}
	}
	return nil
}

// curlOptions is one invocation of curl.
type curlOptions struct {
	webRequest
	silent, showError, fail, include, head, verbose, remoteName bool
	output, format                                              string
}

func curl(c Call) error {
	o := curlOptions{}
	flags := c.flags()
	for _, f := range []struct {
		on           *bool
		name, letter string
	}{
		{&o.silent, "silent", "s"}, {&o.showError, "show-error", "S"}, {&o.fail, "fail", "f"}, {&o.include, "include", "i"},
		{&o.head, "head", "I"}, {&o.verbose, "verbose", "v"}, {&o.follow, "location", "L"}, {&o.insecure, "insecure", "k"},
		{&o.remoteName, "remote-name", "O"}, {new(bool), "no-buffer", "N"}, {new(bool), "globoff", "g"}, {new(bool), "http1.1", ""},
	} {
		flags.BoolVarP(f.on, f.name, f.letter, false, "")
	}
	flags.StringVarP(&o.method, "request", "X", "", "")
	flags.StringVarP(&o.output, "output", "o", "-", "")
	flags.StringVarP(&o.format, "write-out", "w", "", "")
	flags.StringVarP(&o.user, "user", "u", "", "")
	flags.StringArrayVarP(&o.header, "header", "H", nil, "")
	data := flags.StringArrayP("data", "d", nil, "")
	seconds := flags.StringP("max-time", "m", "infinity", "")
	flags.String("connect-timeout", "", "")
	flags.String("retry", "", "")
	if err := flags.Parse(c.Args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("want a URL")
	}
	var err error
	if o.timeout, err = duration(*seconds); err != nil {
		return err
	}
	o.body = strings.Join(*data, "&")
	switch {
	case o.method != "":
	case o.head:
		o.method = http.MethodHead
	case len(*data) > 0:
		o.method = http.MethodPost
	default:
		o.method = http.MethodGet
	}
	for _, o.url = range flags.Args() {
		if err := c.exchange(o); err != nil {
			return err
		}
	}
	return nil
}

// exchange does one request; its exit codes are those of curl.
func (c Call) exchange(o curlOptions) error {
	start := time.Now()
	response, err := o.send()
	if err != nil {
		if !o.silent || o.showError {
			fmt.Fprintf(c.Err, "curl: %v\n", err)
		}
		var name *net.DNSError
		var timeout interface{ Timeout() bool }
		switch {
		case errors.As(err, &name):
			return status(6)
		case errors.As(err, &timeout) && timeout.Timeout():
			return status(28)
		}
		return status(7)
	}
	defer response.Body.Close()
	if o.verbose {
		writeHeader(c.Err, "< ", response)
	}
	if o.fail && response.StatusCode >= 400 {
		if !o.silent || o.showError {
			fmt.Fprintf(c.Err, "curl: (22) the server answered %s\n", response.Status)
		}
		return status(22)
	}
	if o.include || o.head {
		writeHeader(c.Out, "", response)
	}
	name := o.output
	if o.remoteName {
		name = fileName(o.url)
	}
	if err := c.save(name, response.Body); err != nil {
		return err
	}
	fmt.Fprint(c.Out, strings.NewReplacer(
		"%{http_code}", fmt.Sprint(response.StatusCode), "%{response_code}", fmt.Sprint(response.StatusCode),
		"%{time_total}", fmt.Sprintf("%.6f", time.Since(start).Seconds()), `\n`, "\n", `\t`, "\t",
	).Replace(o.format))
	return nil
}
