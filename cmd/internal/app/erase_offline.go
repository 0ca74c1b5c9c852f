package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/milepost-io/milepost/state/erasure"
	"github.com/milepost-io/milepost/state/log"
)

// Erase implements Admin: the erase event is written into the log, and the next start carries it through.
func (o *Offline) Erase(ctx context.Context, r EraseRequest) (x *Erasure, err error) {
	kind, id, err := r.id()
	if err != nil {
		return nil, err
	}
	list, err := erasure.Open(nil, o.cfg.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	pending, err := erasure.OpenPending(nil, o.cfg.Data)
	if err != nil {
		return nil, err
	}
	job := erasure.Job{Kind: kind, ID: id, At: time.Now().UnixMilli()}
	if err := errors.Join(pending.Put(job), list.Add(job.At, kind, []byte(id))); err != nil {
		return nil, err
	}
	p, rec := eraseRecord(kind, id, func(s log.Stream) int {
		if s == log.Notices {
			return o.count.Notices
		}
		return o.count.Events
	})
	known := false
	err = o.shards[p].Documents([]byte(id), func(_, _ []byte) bool {
		known = true
		return false
	})
	if err == nil {
		err = o.append(ctx, p, []log.Record{rec})
	}
	if err != nil {
		return nil, err
	}
	return &Erasure{
		Hash: fmt.Sprintf("%x", list.Hash(kind, []byte(id))), Kind: kind.String(), At: time.UnixMilli(job.At).UTC(),
		Step: "next start", Known: known, Remains: remains(o.cfg),
	}, nil
}

// Erasure implements Admin.
func (o *Offline) Erasure(context.Context, string) (*Erasure, error) {
	return nil, fmt.Errorf("erasure: %w: the next start carries it through", ErrOffline)
}
