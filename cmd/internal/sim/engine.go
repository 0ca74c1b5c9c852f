package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/milepost-io/milepost/cmd/internal/replay"
	"github.com/milepost-io/milepost/cmd/internal/sim/oracle"
	"github.com/milepost-io/milepost/ingest/file"
	"github.com/milepost-io/milepost/rules"
)

// Shards is how many machines each stage of the engine has.
type Shards struct{ Events, Notices int }

// Engine runs a scenario through the engine.
func Engine(s *Scenario, n Shards, roundTrip bool) ([]oracle.Line, oracle.Outcomes, error) {
	r, err := replay.New(replay.Options{Activation: activation(s, 1, s.Files), EventShards: n.Events, NoticeShards: n.Notices, RoundTrip: roundTrip})
	if err != nil {
		return nil, oracle.Outcomes{}, err
	}
	text := strings.Join(s.Lines, "\n") + "\n"
	src, err := file.New("scenario", func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
	if err != nil {
		return nil, oracle.Outcomes{}, err
	}
	defer src.Close()
	if err := feed(s, r, src); err != nil {
		return nil, oracle.Outcomes{}, err
	}
	if err := r.Finish(s.Until); err != nil {
		return nil, oracle.Outcomes{}, err
	}
	return engineLines(r)
}

// feed applies the lines, and the reloads before theirs.
func feed(s *Scenario, r *replay.Replay, src *file.Reader) error {
	reloads := s.Reloads
	for i := 0; ; i++ {
		for len(reloads) > 0 && reloads[0].Before == i {
			if err := r.Activate(activation(s, 2+len(s.Reloads)-len(reloads), reloads[0].Files)); err != nil {
				return err
			}
			reloads = reloads[1:]
		}
		rec, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.Apply(&rec)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
}

func activation(s *Scenario, number int, files []oracle.File) rules.Activation {
	a := rules.Activation{
		Number: number, Version: fmt.Sprintf("sha256:%d", number), Zone: s.Zone, Source: "/sim",
		Endpoints: []rules.Endpoint{{Name: "app", Owner: true}, {Name: "crm", Dealer: true}},
	}
	for _, f := range files {
		a.Files = append(a.Files, rules.File{Name: f.Name, Content: f.Content})
	}
	return a
}

func engineLines(r *replay.Replay) ([]oracle.Line, oracle.Outcomes, error) {
	var out []oracle.Line
	for _, l := range r.Lines() {
		text, err := l.MarshalJSON()
		if err != nil {
			return nil, oracle.Outcomes{}, err
		}
		line, err := parseLine(text)
		if err != nil {
			return nil, oracle.Outcomes{}, fmt.Errorf("%s: %w", text, err)
		}
		out = append(out, line)
	}
	received, applied, duplicate, late, quarantined := r.Outcomes()
	if received != applied+duplicate+late+quarantined {
		return nil, oracle.Outcomes{}, fmt.Errorf("received %d is not applied %d + duplicate %d + late %d + quarantined %d", received, applied, duplicate, late, quarantined)
	}
	return out, oracle.Outcomes{Applied: int(applied), Duplicate: int(duplicate), Late: int(late), Quarantined: int(quarantined)}, nil
}

// parseLine reads one line as `milepost backtest --out` writes it.
func parseLine(text []byte) (oracle.Line, error) {
	var in struct {
		ID, Type, Subject, Time, To, Held, Joined, Released string
		Data                                                struct {
			Alert  string
			Items  []oracle.Item
			Rule   struct{ ID string }
			Causes []struct{ Item, Level, Rule string }
			Reason string
			Silent bool
			Late   bool
		}
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return oracle.Line{}, err
	}
	l := oracle.Line{
		ID: in.ID, Type: in.Type, Subject: in.Subject, Alert: in.Data.Alert, Items: in.Data.Items, Rule: in.Data.Rule.ID, Reason: in.Data.Reason,
		Silent: in.Data.Silent, Late: in.Data.Late, To: in.To, Held: in.Held, Joined: in.Joined,
	}
	for _, c := range in.Data.Causes {
		l.Causes = append(l.Causes, oracle.Cause(c))
	}
	var err error
	if l.Time, err = parseStamp(in.Time); err != nil {
		return l, err
	}
	l.Released, err = parseStamp(in.Released)
	return l, err
}

func parseStamp(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UnixMilli(), err
}
