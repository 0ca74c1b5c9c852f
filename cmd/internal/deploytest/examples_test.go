package deploytest

import (
	"path/filepath"
	"testing"

	"github.com/milepost-io/milepost/cmd/internal/config"
)

// TestExamples loads every example configuration as the engine does.
func TestExamples(t *testing.T) {
	t.Parallel()
	loaded := map[string]*config.Config{}
	for _, f := range glob(t, "deploy/examples/*.yaml") {
		c, err := config.Load(filepath.Join(root, f), nil)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		loaded[filepath.Base(f)] = c
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
