//go:build e2e

package e2e

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// imageUser is the USER of deploy/docker/Dockerfile.
const imageUser = 65532

// image is a root file system as deploy/docker/Dockerfile makes it, used without docker: in a mount namespace of
// its own, read-only but for /data, as a user without rights.
type image struct {
	t    *testing.T
	root string
}

func newImage(t *testing.T) *image {
	t.Helper()
	i := &image{t: t, root: filepath.Join(t.TempDir(), "root")}
	for _, dir := range []string{"etc/ssl/certs", "etc/milepost", "data"} {
		if err := os.MkdirAll(filepath.Join(i.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The user must reach the root through the test's folder.
	for dir := i.root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Chown(filepath.Join(i.root, "data"), imageUser, imageUser); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	i.write("milepost", string(program), 0o755)
	return i
}

func (i *image) write(name, content string, mode fs.FileMode) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(i.root, name), []byte(content), mode); err != nil {
		i.t.Fatal(err)
	}
}

// command is an argument list of the image's ENTRYPOINT. Who is not root gets the rights to mount from a user
// namespace, in which nobody but himself exists: there the user is not changed.
func (i *image) command(args ...string) []string {
	argv, user := []string{"unshare", "--mount", "--propagation", "private"}, fmt.Sprintf("--userspec=%d:%d", imageUser, imageUser)
	if os.Getuid() != 0 {
		argv, user = append(argv, "--user", "--map-root-user"), ""
	}
	script := `set -e
mount --bind "$1" "$1"
mount --bind "$1/data" "$1/data"
mount -o remount,bind,ro "$1"
root=$1 user=$2; shift 2
exec chroot $user "$root" /milepost "$@"`
	return append(append(argv, "sh", "-c", script, "image", i.root, user), args...)
}

// TestImage runs the static binary as the image does: read-only root, user 65532, /data alone writable.
func TestImage(t *testing.T) {
	t.Parallel()
	i := newImage(t)
	addr := freeAddr(t)
	const config = "/etc/milepost/milepost.yaml"
	i.write(config, fmt.Sprintf("source: /image\ndata: /data\nrules: /etc/milepost/rules\nhttp: {listen: %q}\nmqtt: {listen: \"\"}\n", addr), 0o644)
	p := &serverProcess{
		name: "the image", argv: i.command("serve", "--config", config), logFile: filepath.Join(t.TempDir(), "log"),
		started: func([]byte) bool {
			r, err := http.Get("http://" + addr + "/-/ready")
			if err != nil {
				return false
			}
			defer r.Body.Close()
			return r.StatusCode == http.StatusOK
		},
	}
	p.Start(t)
	p.ownedBy(t)
	if os.Getuid() == 0 {
		i.isUser(p.cmd.Process.Pid)
	}
	r, err := http.Post("http://"+addr+"/api/v1/events", "application/json", strings.NewReader(`{"type":"telemetry","vin":"V1","signals":{"odometer":8900}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusAccepted {
		t.Errorf("an event: %s", r.Status)
	}
	health := i.command("status", "--config", config) // the HEALTHCHECK
	if out, err := exec.Command(health[0], health[1:]...).CombinedOutput(); err != nil || !strings.Contains(string(out), "ready") {
		t.Errorf("health check: %v\n%s", err, out)
	}
	running := p.cmd
	p.Stop()
	if code := running.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d after SIGTERM", code)
	}
	if out, err := exec.Command(health[0], health[1:]...).CombinedOutput(); err == nil {
		t.Errorf("the health check of a stopped engine:\n%s", out)
	}
	i.onlyDataWritten()
}

// isUser proves that a process is the image's user and sees a read-only root.
func (i *image) isUser(pid int) {
	i.t.Helper()
	proc := "/proc/" + strconv.Itoa(pid)
	status, err := os.Stat(proc)
	if err != nil {
		i.t.Fatal(err)
	}
	if uid := status.Sys().(*syscall.Stat_t).Uid; uid != imageUser {
		i.t.Errorf("it runs as user %d, expected %d", uid, imageUser)
	}
	err = os.WriteFile(proc+"/root/etc/milepost/written", nil, 0o600) // by root, so that only the mount can refuse
	if err == nil {
		i.t.Error("its root can be written")
	}
}

func (i *image) onlyDataWritten() {
	i.t.Helper()
	var got []string
	err := filepath.WalkDir(i.root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(i.root, path)
		switch {
		case err != nil:
			return err
		case name == "data":
			return fs.SkipDir
		case !d.IsDir():
			got = append(got, name)
		}
		return nil
	})
	if err != nil || strings.Join(got, " ") != "etc/milepost/milepost.yaml milepost" {
		i.t.Errorf("files outside /data: %v %v", got, err)
	}
	if entries, err := os.ReadDir(filepath.Join(i.root, "data", "journal")); err != nil || len(entries) == 0 {
		i.t.Errorf("no journal in /data: %v", err)
	}
}
