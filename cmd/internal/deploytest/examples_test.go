package deploytest

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/milepost-io/milepost/cmd/internal/config"
)

// TestExamples loads every example configuration as the engine does.
func TestExamples(t *testing.T) {
	t.Parallel()
	loaded := map[string]*config.Config{}
	for _, f := range append(glob(t, "deploy/examples/*.yaml"), "deploy/compose/milepost.yaml") {
		c, err := config.Load(filepath.Join(root, f), nil)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		loaded[strings.TrimPrefix(f, "deploy/examples/")] = c
	}
	if c := loaded["kafka.yaml"]; c == nil || len(c.Kafka.Brokers) != 1 || len(c.Kafka.Topics) != 1 {
		t.Errorf("kafka.yaml takes nothing from Kafka: %+v", c)
	}
	if c := loaded["mosquitto.yaml"]; c == nil || c.MQTT.Connect.URL == "" {
		t.Errorf("mosquitto.yaml connects to no broker: %+v", c)
	}
	if c := loaded["milepost.yaml"]; c == nil || c.Kafka.SASL.Mechanism == "" || len(c.Notify.Webhooks) == 0 || c.MQTT.Connect.Connections < 2 {
		t.Errorf("milepost.yaml does not show every part: %+v", c)
	}
}

// TestDocumentedConfigurations: the configurations that README and operations.md show are ones.
func TestDocumentedConfigurations(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)\n```yaml\n(.*?)\n```")
	for _, page := range []string{"README.md", "docs/operations.md"} {
		n := 0
		for _, m := range blocks.FindAllStringSubmatch(read(t, page), -1) {
			if strings.HasPrefix(m[1], "rules:") {
				continue // package docs has them
			}
			n++
			if _, err := config.Parse(page, []byte(m[1]), ".", nil); err != nil {
				t.Errorf("%s:\n%v", page, err)
			}
		}
		if n == 0 {
			t.Errorf("%s shows no configuration: the test looks for the wrong thing", page)
		}
	}
}
