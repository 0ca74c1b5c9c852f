package json

import "github.com/milepost-io/milepost/ingest"

// Name is the codec's name in configuration and log records.
const Name = "json"

// Decoder decodes canonical JSON. It is not safe for concurrent use.
type Decoder struct {
	cat *ingest.Catalogue
}

// NewDecoder returns a decoder of the signals of cat.
func NewDecoder(cat *ingest.Catalogue) *Decoder { return &Decoder{cat: cat} }

// Decode implements ingest.Decoder.
func (d *Decoder) Decode(payload []byte, ev *ingest.Event) error { panic("not built yet") }
