package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// demoProcess builds the program as the image has it and runs it on a free port.
// It returns the process, the rest of its log and its URL.
func demoProcess(t *testing.T) (*exec.Cmd, *bufio.Reader, string) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command to build the program: ", err)
	}
	binary := filepath.Join(t.TempDir(), "demo")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	command := exec.Command(binary)
	command.Env = append(os.Environ(), "LISTEN=127.0.0.1:0", "DEMO_VERSION=1")
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	log := bufio.NewReader(stdout)
	line, err := log.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("no address in %q", line)
	}
	return command, log, "http://" + match[1]
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestProcessStaysBelow10MB(t *testing.T) {
	command, _, url := demoProcess(t)
	for range 500 {
		fetch(t, url+"/")
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kilobytes); err == nil {
			t.Logf("VmRSS after 500 requests: %d kB", kilobytes)
			if kilobytes > 10<<10 {
				t.Errorf("VmRSS is %d kB, want at most 10 MB", kilobytes)
			}
		}
	}
}

func TestProcessEndsOnSIGTERMAfterOpenRequests(t *testing.T) {
	command, log, url := demoProcess(t)
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get(url + "/slow?ms=400")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	if line, err := log.ReadString('\n'); err != nil || !strings.Contains(line, "msg=slow") {
		t.Fatalf("log %q, %v: want the slow request", line, err)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; !strings.Contains(got, "waited 400 ms") {
		t.Errorf("open request got %q", got)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit status 0", err)
	}
}

func TestProcessCrashes(t *testing.T) {
	command, _, url := demoProcess(t)
	if got := fetch(t, url+"/crash?code=3"); !strings.Contains(got, "exits with code 3") {
		t.Errorf("answer %q", got)
	}
	var exit *exec.ExitError
	if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("ended with %v, want exit code 3", err)
	}
}
