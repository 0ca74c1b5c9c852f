package broker

import (
	"context"
	"log/slog"

	"github.com/rs/zerolog"

	"github.com/milepost-io/milepost/ingest/limitlog"
)

// cause is what a log line is about; each is logged once a minute at most.
type cause uint8

const (
	causeDrain cause = iota
	causeSlow
	causeTopic
	causeSubscribe
	causeQoS2
	causeSize
	causeProtocol
	causeClients
	causeAccept
	causePanic
	causeMochi
	causeCredentials
	causePending
	causeRecheck
	causeWrongClient
	causeTLS
	causes
)

// mochiLog is the logger for mochi.
func mochiLog(l *limitlog.Logger[cause]) *slog.Logger { return slog.New(slogHandler{l}) }

// slogHandler passes mochi's errors on and the rest as debug lines. Attributes are left out: they hold
// packets, client ids and so VINs.
type slogHandler struct{ log *limitlog.Logger[cause] }

func (h slogHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError || h.log.Plain.GetLevel() <= zerolog.DebugLevel
}

func (h slogHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		h.log.Error(causeMochi).Str("detail", r.Message).Msg("mqtt server error")
		return nil
	}
	h.log.Plain.Debug().Str("detail", r.Message).Msg("mqtt server")
	return nil
}

func (h slogHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h slogHandler) WithGroup(string) slog.Handler      { return h }
