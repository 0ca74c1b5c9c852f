package app

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/milepost-io/milepost/ingest"
	"github.com/milepost-io/milepost/notify"
	"github.com/milepost-io/milepost/state"
	"github.com/milepost-io/milepost/state/log"
)

// deadID names a dead letter for people: its partition, and its row key.
func deadID(p log.Partition, key string) string {
	return fmt.Sprintf("%c%d-%s", p.Stream.String()[0], p.Shard, base64.RawURLEncoding.EncodeToString([]byte(key)))
}

// parseDeadID is the inverse of deadID.
func parseDeadID(id string) (p log.Partition, key string, err error) {
	head, tail, ok := strings.Cut(id, "-")
	var c rune
	if _, e := fmt.Sscanf(head, "%c%d", &c, &p.Shard); !ok || e != nil {
		return p, "", fmt.Errorf("dead letter %q: %w", id, ErrUnknown)
	}
	switch c {
	case 'e':
		p.Stream = log.Events
	case 'n':
		p.Stream = log.Notices
	default:
		return p, "", fmt.Errorf("dead letter %q: %w", id, ErrUnknown)
	}
	b, e := base64.RawURLEncoding.DecodeString(tail)
	if e != nil {
		return p, "", fmt.Errorf("dead letter %q: %w", id, ErrUnknown)
	}
	return p, string(b), nil
}

// deadLetterOf makes the view of a row, of a quarantined input or an undelivered message.
func deadLetterOf(p log.Partition, key string, value []byte) (DeadLetter, error) {
	out := DeadLetter{ID: deadID(p, key), Offset: -1}
	if strings.HasPrefix(key, notify.DeadPrefix) {
		var m notify.DeadLetter
		if err := json.Unmarshal(value, &m); err != nil {
			return out, fmt.Errorf("dead letter %s: %w", out.ID, err)
		}
		e, err := notify.ParseEntry(m.Entry)
		if err != nil {
			return out, fmt.Errorf("dead letter %s: %w", out.ID, err)
		}
		out.At, out.Source, out.Topic, out.Key, out.Reason, out.Detail = time.UnixMilli(m.At).UTC(), m.Source, m.Topic, m.Key, m.Reason, m.Detail
		out.Bytes, out.Size = e.Body, int64(len(e.Body))
		return out, nil
	}
	l, err := state.DecodeDeadLetter(value)
	if err != nil {
		return out, fmt.Errorf("dead letter %s: %w", out.ID, err)
	}
	out.At, out.Source, out.Topic, out.Key, out.Reason, out.Detail = time.UnixMilli(l.Time).UTC(), l.Source, l.Topic, l.Key, l.Reason, l.Detail
	out.Offset, out.Bytes, out.Size = l.At, l.Payload, int64(len(l.Payload))
	if l.Oversize && len(l.Payload) >= 40 {
		out.Size = int64(binary.BigEndian.Uint64(l.Payload))
		out.Bytes = l.Payload[40:]
		out.Detail = strings.TrimPrefix(fmt.Sprintf("%s; sha256 %x", out.Detail, l.Payload[8:40]), "; ")
	}
	return out, nil
}

// deadMade is when a message was given up; false for a quarantined input, whose row the engine dates.
func deadMade(key string, value []byte) (at int64, ok bool) {
	if !strings.HasPrefix(key, notify.DeadPrefix) {
		return 0, false
	}
	var m notify.DeadLetter
	err := json.Unmarshal(value, &m)
	return m.At, err == nil
}

// deadLettersOf lists the dead letters of one shard whose row key is above after.
func deadLettersOf(v state.View, p log.Partition, after string, limit int) ([]DeadLetter, error) {
	var out []DeadLetter
	var bad error
	err := v.Rows(state.RowDead, "", func(key string, value []byte) bool {
		if key <= after {
			return true
		}
		d, err := deadLetterOf(p, key, value)
		if err != nil {
			bad = err
			return false
		}
		out = append(out, d)
		return len(out) < limit
	})
	if err == nil {
		err = bad
	}
	return out, err
}

// pageDead collects a page over the partitions, in their order, from after an id.
func pageDead(parts []log.Partition, after string, limit int, list func(p log.Partition, after string, limit int) ([]DeadLetter, error)) ([]DeadLetter, error) {
	var from log.Partition
	key := ""
	if after != "" {
		var err error
		if from, key, err = parseDeadID(after); err != nil {
			return nil, err
		}
	}
	out := []DeadLetter{}
	started := after == ""
	for _, p := range parts {
		at := ""
		if p == from {
			started, at = true, key
		}
		if !started || len(out) >= limit {
			continue
		}
		page, err := list(p, at, limit-len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
	}
	return out, nil
}

// DeadLetters implements Admin.
func (e *Engine) DeadLetters(ctx context.Context, after string, limit int) ([]DeadLetter, error) {
	return pageDead(e.parts(), after, limit, func(p log.Partition, after string, limit int) (out []DeadLetter, err error) {
		err = e.view(ctx, e.shardAt(p), func(v state.View) error {
			var err error
			out, err = deadLettersOf(v, p, after, limit)
			return err
		})
		return out, err
	})
}

// deadRow returns the row of a dead letter.
func (e *Engine) deadRow(ctx context.Context, id string) (p log.Partition, key string, value []byte, err error) {
	p, key, err = parseDeadID(id)
	if err != nil {
		return p, key, nil, err
	}
	s := e.shardAt(p)
	if s == nil {
		return p, key, nil, fmt.Errorf("dead letter %q: %w", id, ErrUnknown)
	}
	err = e.view(ctx, s, func(v state.View) (err error) {
		value, err = deadValue(v, id, key)
		return err
	})
	return p, key, value, err
}

// deadValue is a copy of the value of a dead letter's row.
func deadValue(v state.View, id, key string) (value []byte, err error) {
	err = v.Rows(state.RowDead, key, func(k string, b []byte) bool {
		if k == key {
			value = append([]byte{}, b...)
		}
		return k < key
	})
	if err == nil && value == nil {
		err = fmt.Errorf("dead letter %q: %w", id, ErrUnknown)
	}
	return value, err
}

// DeadLetter implements Admin.
func (e *Engine) DeadLetter(ctx context.Context, id string) (*DeadLetter, error) {
	p, key, value, err := e.deadRow(ctx, id)
	if err != nil {
		return nil, err
	}
	d, err := deadLetterOf(p, key, value)
	return &d, err
}

// DropDead implements Admin: the row goes by a record, so that a replay drops it too.
func (e *Engine) DropDead(ctx context.Context, id string) error {
	p, key, _, err := e.deadRow(ctx, id)
	if err != nil {
		return err
	}
	return e.appendAll(ctx, p, dropRecord(key))
}

func dropRecord(key string) log.Record {
	return log.Record{Kind: log.Drop, Payload: state.DropPayload(state.RowDead, key)}
}

// RequeueDead implements Admin. An input comes in again as it came, and its dead letter goes, in one
// append: both happen or neither.
func (e *Engine) RequeueDead(ctx context.Context, id string) error {
	if why, stopped := e.intake.gate.closed(); stopped {
		return &ingest.Stopped{Reason: why}
	}
	p, key, value, err := e.deadRow(ctx, id)
	if err != nil {
		return err
	}
	recs, err := requeueRecords(key, value, e.clock.Now())
	if err != nil {
		return fmt.Errorf("dead letter %s: %w", id, err)
	}
	return e.appendAll(ctx, p, recs...)
}

func requeueRecords(key string, value []byte, now int64) ([]log.Record, error) {
	if strings.HasPrefix(key, notify.DeadPrefix) {
		party, payload, err := notify.RequeueResult(value, now)
		return []log.Record{{Kind: log.Result, Key: []byte(party), Payload: payload}}, err
	}
	l, err := state.DecodeDeadLetter(value)
	switch {
	case err != nil:
		return nil, err
	case l.Input != "event":
		return nil, fmt.Errorf("it was a %s, not an event from outside: it can only be dropped", l.Input)
	case l.Types == 0:
		return nil, fmt.Errorf("its topic %q matched no filter, so nothing says how to read it: add the filter, publish it again and drop this one", l.Topic)
	case l.Oversize:
		return nil, fmt.Errorf("only the first %d bytes were kept: send it again from its source, in parts", ingest.OversizeKeep)
	}
	return []log.Record{
		{Kind: log.Event, Types: l.Types, Key: []byte(l.Key), Source: []byte(l.Source), Topic: []byte(l.Topic), Codec: []byte(l.Codec), Payload: l.Payload},
		dropRecord(key),
	}, nil
}

// appendAll appends records adjacent to a partition and waits until they are durable and applied.
func (e *Engine) appendAll(ctx context.Context, p log.Partition, recs ...log.Record) error {
	off, err := e.intake.appendAll(p, recs, log.Ack{})
	if err != nil {
		return err
	}
	end := off + log.Offset(len(recs))
	if err := e.journal.WaitDurable(ctx, p, end); err != nil {
		return err
	}
	return e.shardAt(p).WaitApplied(ctx, end)
}
