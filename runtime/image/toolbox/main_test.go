package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"workbench/runtime/image/toolbox/applet"
)

// install builds the toolbox as the image has it, with a link for every command,
// and returns the directory to use as PATH.
func install(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build the program: ", err)
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "toolbox"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, name := range applet.Names() {
		if err := os.Symlink("toolbox", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func shell(t *testing.T, path, dir, script string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, filepath.Join(path, "sh"), "-c", script)
	command.Env = []string{"PATH=" + path, "HOME=/root"}
	command.Dir = dir
	return command
}

func TestScripts(t *testing.T) {
	path := install(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "%s %s %s\n", r.Method, r.URL.Path, r.Header.Get("Accept"))
	}))
	defer server.Close()
	for name, test := range map[string]struct{ script, want string }{
		"loop and break": {`i=0; while true; do i=$((i+1)); echo n$i | tr n m; [ $i -ge 3 ] && break; sleep 0.01; done`, "m1\nm2\nm3\n"},
		"wget loop":      {`n=0; while true; do wget -qO- ` + server.URL + `/; n=$((n+1)); [ $n = 2 ] && exit; sleep 0.01; done`, "GET / \nGET / \n"},
		"wget error":     {`wget -q -O - ` + server.URL + `/missing; echo $?`, "1\n"},
		"wget file":      {`wget -q ` + server.URL + `/a/page.txt --header 'Accept: text/plain'; cat page.txt`, "GET /a/page.txt text/plain\n"},
		"curl":           {`curl -s -o /dev/null -w '%{http_code}\n' ` + server.URL + `/missing; curl -sf ` + server.URL + `/missing; echo $?`, "404\n22\n"},
		"curl post":      {`curl -sd x=1 ` + server.URL + `/p`, "POST /p \n"},
		"pipes":          {`seq 20 | grep -v 1 | sort -rn | head -2 | wc -l`, "2\n"},
		"files":          {`mkdir -p a/b; echo one > a/b/f; cp -r a c; mv c/b/f c/g; ls c c/b; find c -name g; rm -rf a c; ls`, "c:\nb\ng\n\nc/b:\nc/g\n"},
		"ls -l":          {`mkdir d; ln -s d l; ls -ld d l | tr -s ' ' | cut -d' ' -f1,10-`, "drwxr-xr-x d\nlrwxrwxrwx l -> d\n"},
		"tar":            {`mkdir d; echo x > d/f; tar cf - d | tar xf - -C / 2>/dev/null; tar cf t.tar d; rm -r d; tar xmf t.tar; cat d/f; tar tf t.tar; rm -r d t.tar`, "x\nd/\nd/f\n"},
		"grep":           {`printf 'alpha\nbeta\ngamma\n' > g; grep -n -A1 be g; grep -c a g; grep -q delta g; echo $?; grep -o 'm\+' g; rm g`, "2:beta\n3-gamma\n3\n1\nmm\n"},
		"cut and uniq":   {`printf 'a:1\nb:2\nb:2\n' | cut -d: -f2 | uniq -c | tr -s ' ' | cut -d' ' -f2-`, "1 1\n2 2\n"},
		"tail":           {`seq 5 > n; tail -2 n; tail -n +5 n; head -n1 n; rm n`, "4\n5\n5\n1\n"},
		"status":         {`false; echo $?; (exit 3); echo $?; nonesuch 2>/dev/null; echo $?`, "1\n3\n127\n"},
		"environment":    {`env -i A=1 printenv A; A=2 sh -c 'echo $A'; echo ${B:-none}`, "1\n2\nnone\n"},
		"parameters":     {`sh -c 'echo $0 $1 $#' name first second`, "name first 2\n"},
		"set -e":         {`sh -ec 'false; echo not reached'; echo $?`, "1\n"},
		"background":     {`sleep 0.01 & wait; echo done`, "done\n"},
		"timeout":        {`timeout 0.05 sleep infinity; echo $?`, "124\n"},
		"signals":        {`kill -0 $$; echo $?; sh -c 'kill -TERM $$; sleep 60'; echo $?`, "0\n143\n"},
		"date":           {`date -u -d @0 +%Y-%m-%dT%H:%M:%S`, "1970-01-01T00:00:00\n"},
		"checksum":       {`echo abc | sha256sum | cut -c1-8; echo abc | base64 | base64 -d`, "edeaaff3\nabc\n"},
		"nc":             {`nc -z 127.0.0.1 1; echo $?`, "1\n"},
		"localhost":      {`nslookup localhost >/dev/null; echo $?; nslookup no.such.invalid 127.0.0.1:1 >/dev/null; echo $?`, "0\n1\n"},
		"ip":             {`ip -br addr show lo | cut -d' ' -f1; ip link show nonesuch 2>/dev/null; echo $?`, "lo\n1\n"},
		"ps":             {`ps > list; grep -c '[s]h -c ps' list; rm list`, "1\n"}, // in a pipe, what becomes grep is a shell yet
	} {
		t.Run(name, func(t *testing.T) {
			command := shell(t, path, t.TempDir(), test.script)
			var errors bytes.Buffer
			command.Stderr = &errors
			out, _ := command.Output() // the script prints the codes that matter
			if string(out) != test.want {
				t.Errorf("%s\ngot  %q\nwant %q\nstderr %s", test.script, out, test.want, errors.String())
			}
		})
	}
}

func TestSleepEndsOnSIGTERM(t *testing.T) {
	path := install(t)
	flags := uintptr(0)
	if os.Geteuid() == 0 {
		flags = syscall.CLONE_NEWPID // as PID 1, like in a container
	}
	command := exec.Command(filepath.Join(path, "sleep"), "infinity")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	// Before the runtime has its handlers, PID 1 would not get the signal at all.
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !catches(t, command.Process.Pid, syscall.SIGTERM) {
		<-ticker.C
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// The code differs as long as sleep has not taken over the signal from the runtime.
	var exit *exec.ExitError
	if err := command.Wait(); !errors.As(err, &exit) {
		t.Errorf("sleep infinity after SIGTERM: %v, want an exit status above 0", err)
	}
}

// catches says whether a process has a handler for a signal.
func catches(t *testing.T, pid int, wanted syscall.Signal) bool {
	t.Helper()
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(body), "SigCgt:\t")
	set, _, _ := strings.Cut(rest, "\n")
	caught, err := strconv.ParseUint(set, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return caught&(1<<(wanted-1)) != 0
}

func TestUsage(t *testing.T) {
	path := install(t)
	for _, name := range applet.Names() {
		if name == "echo" {
			continue
		}
		out, err := exec.Command(filepath.Join(path, name), "--help").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "usage: "+name) {
			t.Errorf("%s --help: %v %s", name, err, out)
		}
	}
	out, err := exec.Command(filepath.Join(path, "toolbox")).Output()
	if err != nil || !strings.Contains(string(out), "\nwget\n") {
		t.Errorf("toolbox lists %q, %v", out, err)
	}
}
