package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/milepost-io/milepost/cmd/internal/config"
	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/ingest/broker"
	"github.com/milepost-io/milepost/ingest/file"
	"github.com/milepost-io/milepost/ingest/httpapi"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
	"github.com/milepost-io/milepost/ingest/kafka"
	"github.com/milepost-io/milepost/ingest/mqtt"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/notify/channel/logout"
	"github.com/milepost-io/milepost/notify/channel/webhook"
)

// sources are the ways in.
type sources struct {
	broker     *broker.Broker
	subscriber *mqtt.Subscriber
	kafka      *kafka.Source
	http       *httpapi.Handler
}

func (e *Engine) openSources() error {
	cat, err := LoadCatalogue(e.cfg)
	if err != nil {
		return err
	}
	in := httpapi.Options{Sink: refusing{e.intake}, NewDecoder: func() ingest.Decoder { return jsoncodec.NewDecoder(cat) }, Logger: e.log}
	if e.id.tokens != nil {
		in.Authorize = e.id.guard.Client
	}
	e.sources.http, err = httpapi.New(in)
	if err != nil {
		return err
	}
	if err := e.openKafka(); err != nil {
		return err
	}
	if err := e.openSubscriber(); err != nil || e.cfg.MQTT.Listen == "" {
		return err
	}
	o := broker.Options{Listen: e.cfg.MQTT.Listen, Topics: topics(e.cfg), Sink: e.intake, Users: e.id.users, Logger: e.log}
	if cert := e.id.mqtt; cert != nil {
		o.TLS, o.ClientCertificates = cert.TLS(), e.cfg.MQTT.TLS.ClientCAFile != ""
	}
	e.sources.broker, err = broker.New(o)
	if err != nil {
		return err
	}
	if err := e.sources.broker.Listen(); err != nil {
		return err
	}
	return nil
}

func topics(cfg *config.Config) []broker.Topic {
	var out []broker.Topic
	for _, t := range cfg.MQTT.Topics {
		var types ingest.Types
		for _, name := range t.Types {
			if typ, ok := ingest.ParseType(name); ok {
				types |= ingest.TypeSet(typ)
			}
		}
		out = append(out, broker.Topic{Filter: t.Filter, Codec: t.Codec, Types: types})
	}
	return out
}

// runSources serves until told to stop. The HTTP server runs elsewhere: it also answers questions.
func (e *Engine) runSources(ctx context.Context) error {
	var fs []func(context.Context) error
	if e.sources.broker != nil {
		fs = append(fs, e.sources.broker.Run)
	}
	if e.sources.subscriber != nil {
		fs = append(fs, e.sources.subscriber.Run)
	}
	if e.sources.kafka != nil {
		fs = append(fs, e.sources.kafka.Run)
	}
	fs = append(fs, func(ctx context.Context) error {
		if e.opt.Replay != "" {
			n, err := takeFile(ctx, e.intake, e.opt.Replay)
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("replay: %w", err)
			}
			e.log.Info().Str("file", e.opt.Replay).Int("records", n).Msg("recorded events taken in")
		}
		<-ctx.Done()
		return nil
	})
	return all(ctx, fs...)
}

// openChannels makes the channels of the configured endpoints.
func (e *Engine) openChannels() (map[string]notify.Channel, error) {
	channels := map[string]notify.Channel{}
	for _, w := range e.cfg.Notify.Webhooks {
		secrets, warning, err := webhook.LoadSecrets(w.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("notify.webhooks %s: %w", w.Name, err)
		}
		if warning != "" {
			e.log.Warn().Str("endpoint", w.Name).Msg(warning)
		}
		channels[w.Name], err = webhook.New(webhook.Options{URL: w.URL, Secrets: secrets, AllowPrivate: w.AllowPrivate})
		if err != nil {
			return nil, fmt.Errorf("notify.webhooks %s: %w", w.Name, err)
		}
	}
	switch e.cfg.Notify.Log {
	case "":
	case "-":
		channels[LogEndpoint] = logout.New(os.Stdout)
	default:
		c, err := logout.Open(e.cfg.Notify.Log)
		if err != nil {
			return nil, fmt.Errorf("notify.log: %w", err)
		}
		e.closers = append(e.closers, c.Close)
		channels[LogEndpoint] = c
	}
	return channels, e.openKafkaOut(channels)
}

// takeFile takes a recorded file in, as `serve --replay` does: through the same door, stamped now.
func takeFile(ctx context.Context, sink ingest.Sink, path string) (n int, err error) {
	r, err := file.Open(path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for ctx.Err() == nil {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		rec.Source = "file"
		if err := sink.Take([]ingest.Record{rec}, nil, 0); err != nil {
			return n, err
		}
		n++
	}
	return n, ctx.Err()
}
