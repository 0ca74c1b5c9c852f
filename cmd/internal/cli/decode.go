package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/milepost-io/milepost/cmd/internal/app"
	"github.com/milepost-io/milepost/ingest"
	jsoncodec "github.com/milepost-io/milepost/ingest/json"
)

func newDecode(s *session) *cobra.Command {
	var codec string
	c := &cobra.Command{
		Use:   "decode --codec C [FILE]",
		Short: "Turn payloads into canonical events, one JSON line each",
		Long: "Reads payloads from a file or standard input, one a line (an array counts as its entries), and writes each as\n" +
			"the engine understands it. A bad one becomes {\"error\":…,\"reason\":…,\"offset\":…} and the exit status is 1.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("unexpected argument %q", args[1])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if codec != jsoncodec.Name {
				return usageError{fmt.Errorf("--codec %q is not in this version (expected %s)", codec, jsoncodec.Name)}
			}
			in := s.In
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			return s.decode(in)
		},
	}
	c.Flags().StringVar(&codec, "codec", jsoncodec.Name, "how the payloads are encoded: json, one payload a line")
	return c
}

// decode reads one payload a line.
func (s *session) decode(in io.Reader) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	cat, err := app.LoadCatalogue(cfg)
	if err != nil {
		return err
	}
	d := jsoncodec.NewDecoder(cat)
	out := bufio.NewWriter(s.Out)
	defer out.Flush()
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	lines := bufio.NewReaderSize(in, 1<<16)
	bad := false
	var ev ingest.Event
	one := func(payload []byte) error {
		if err := d.Decode(payload, &ev); err != nil {
			bad = true
			return enc.Encode(decodeError(err))
		}
		return enc.Encode(canonical(&ev, cat, payload))
	}
	for {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			switch {
			case len(line) > ingest.MaxPacket:
				err = errors.Join(err, enc.Encode(decodeError(&ingest.Error{Reason: ingest.ReasonOversize, Offset: ingest.MaxPacket})))
				bad = true
			case jsoncodec.IsBatch(line):
				if e := jsoncodec.Split(line, func(e jsoncodec.Entry) error { return one(e.Payload) }); e != nil {
					bad = true
					if e := enc.Encode(decodeError(e)); e != nil {
						return e
					}
				}
			default:
				if e := one(line); e != nil {
					return e
				}
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if bad {
		return errFindings
	}
	return nil
}

type badPayload struct {
	Error  string `json:"error"`
	Reason string `json:"reason,omitempty"`
	Offset int    `json:"offset"`
}

func decodeError(err error) badPayload {
	var e *ingest.Error
	if errors.As(err, &e) {
		return badPayload{e.Error(), e.Reason, e.Offset}
	}
	return badPayload{Error: err.Error(), Offset: -1}
}

// canonicalEvent is a decoded telemetry event as it would be sent in canonical JSON.
type canonicalEvent struct {
	Type    string         `json:"type"`
	VIN     string         `json:"vin,omitempty"`
	Time    string         `json:"time,omitempty"`
	Seq     *uint64        `json:"seq,omitempty"`
	Signals map[string]any `json:"signals"`
}

// canonical is the event of a payload. What is not telemetry is canonical as it came.
func canonical(ev *ingest.Event, cat *ingest.Catalogue, payload []byte) any {
	if ev.Type != ingest.Telemetry {
		return json.RawMessage(payload)
	}
	c := canonicalEvent{Type: ev.Type.String(), VIN: string(ev.Key), Signals: map[string]any{}}
	if ev.HasTime {
		c.Time = time.UnixMilli(ev.Time).UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	if ev.HasSeq {
		seq := ev.Seq
		c.Seq = &seq
	}
	for _, x := range ev.Samples {
		sig := cat.Signal(x.Signal)
		if sig.Kind == ingest.Bool {
			c.Signals[sig.Name] = x.V != 0
		} else {
			c.Signals[sig.Name] = x.V
		}
	}
	for _, x := range ev.Sets {
		codes := make([]string, len(x.Codes))
		for i, b := range x.Codes {
			codes[i] = string(b)
		}
		c.Signals[cat.Signal(x.Signal).Name] = codes
	}
	return c
}
