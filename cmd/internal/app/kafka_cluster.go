package app

import (
	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/ingest/kafka"
)

// kafkaCluster is the cluster of the configuration, with what its password and certificate files hold.
func kafkaCluster(cfg *config.Config) (kafka.Cluster, error) {
	k := &cfg.Kafka
	c := kafka.Cluster{Brokers: k.Brokers, SASL: kafka.SASL{Mechanism: k.SASL.Mechanism, Username: k.SASL.Username}}
	var err error
	if c.TLS, err = clientTLS("kafka.tls", k.TLS); err != nil {
		return c, err
	}
	c.SASL.Password, err = readPassword("kafka.sasl.password_file", k.SASL.PasswordFile)
	return c, err
}
