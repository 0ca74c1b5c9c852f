package broker

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
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

// limitedLog logs once a minute per cause: a client that errs does so with every message.
type limitedLog struct {
	log  zerolog.Logger
	last [causes]atomic.Int64 // Unix seconds
}

func newLimitedLog(log zerolog.Logger) *limitedLog { return &limitedLog{log: log} }

// warn and error return nil, which swallows the line, when the cause was logged within the last minute.
func (l *limitedLog) warn(c cause) *zerolog.Event {
	if !l.due(c) {
		return nil
	}
	return l.log.Warn()
}

func (l *limitedLog) error(c cause) *zerolog.Event {
	if !l.due(c) {
		return nil
	}
	return l.log.Error()
}

func (l *limitedLog) debug() *zerolog.Event { return l.log.Debug() }

func (l *limitedLog) due(c cause) bool {
	now, last := time.Now().Unix(), l.last[c].Load()
	return now-last >= 60 && l.last[c].CompareAndSwap(last, now)
}

// slog is the logger for mochi.
func (l *limitedLog) slog() *slog.Logger { return slog.New(slogHandler{l}) }

// slogHandler passes mochi's errors on and the rest as debug lines. Attributes are left out: they hold
// packets, client ids and so VINs.
type slogHandler struct{ log *limitedLog }

func (h slogHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError || h.log.log.GetLevel() <= zerolog.DebugLevel
}

func (h slogHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		h.log.error(causeMochi).Str("detail", r.Message).Msg("mqtt server error")
		return nil
	}
	h.log.debug().Str("detail", r.Message).Msg("mqtt server")
	return nil
}

func (h slogHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h slogHandler) WithGroup(string) slog.Handler      { return h }
