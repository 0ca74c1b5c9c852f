package kafka

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// cause is what a log line is about; each is logged once a minute at most.
type cause uint8

const (
	causeGroup cause = iota
	causePrepare
	causeFetch
	causePartition
	causeStopped
	causeBatch
	causeCommit
	causeMetadata
	causeMissing
	causeDrain
	causes
)

// limitedLog logs once a minute per cause: a cluster that is away fails every request.
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

func (l *limitedLog) due(c cause) bool {
	now, last := time.Now().Unix(), l.last[c].Load()
	return now-last >= 60 && l.last[c].CompareAndSwap(last, now)
}
