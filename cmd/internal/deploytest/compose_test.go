package deploytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type service struct {
	Image       string            `yaml:"image"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	Environment map[string]string `yaml:"environment"`
	Secrets     []string          `yaml:"secrets"`
	Healthcheck map[string]any    `yaml:"healthcheck"`
	Restart     string            `yaml:"restart"`
	CapDrop     []string          `yaml:"cap_drop"`
}

func compose(t *testing.T) (services map[string]service, secrets map[string]struct {
	File string `yaml:"file"`
}) {
	t.Helper()
	var file struct {
		Services map[string]service `yaml:"services"`
		Secrets  map[string]struct {
			File string `yaml:"file"`
		} `yaml:"secrets"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/compose/compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) == 0 {
		t.Fatal("no services")
	}
	return file.Services, file.Secrets
}

// TestComposeIsClosed holds the topology to what its schema cannot say: ports on loopback, pinned images, no
// password in the file, secrets that setup draws, files that exist.
func TestComposeIsClosed(t *testing.T) {
	t.Parallel()
	services, secrets := compose(t)
	for name, s := range services {
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %q is not on loopback", name, p)
			}
		}
		if s.Image != "milepost" && !regexp.MustCompile(`:v?\d+\.\d+\.\d+$`).MatchString(s.Image) {
			t.Errorf("%s: image %q names no release", name, s.Image)
		}
		if s.Restart == "" || name != "kafka-topics" && len(s.CapDrop) == 0 {
			t.Errorf("%s: restart %q, cap_drop %v", name, s.Restart, s.CapDrop)
		}
		for k, v := range s.Environment {
			if strings.Contains(k, "PASSWORD") && !strings.HasPrefix(v, "/run/secrets/") {
				t.Errorf("%s: %s holds a password", name, k)
			}
		}
		for _, v := range s.Volumes {
			if path, _, _ := strings.Cut(v, ":"); strings.HasPrefix(path, ".") {
				if _, err := os.Stat(filepath.Join(root, "deploy/compose", path)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		for _, secret := range s.Secrets {
			if secrets[secret].File == "" {
				t.Errorf("%s: secret %s is not defined", name, secret)
			}
		}
		// Milepost's own is in its image.
		if s.Healthcheck == nil && name != "milepost" && name != "kafka-topics" {
			t.Errorf("%s: no health check", name)
		}
	}
	setup := read(t, "deploy/compose/setup")
	for name, s := range secrets {
		if !strings.Contains(setup, "put "+name+"\n") || s.File != "./secrets/"+name {
			t.Errorf("secret %s: file %q; setup must draw it into ./secrets/%s", name, s.File, name)
		}
	}
}
